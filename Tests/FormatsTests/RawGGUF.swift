// SPDX-License-Identifier: Apache-2.0
// GGUF files put together byte by byte, so that a test can break one rule and nothing else.

import Formats

/// Little-endian bytes under construction.
struct RawBytes {
    var bytes: [UInt8] = []

    mutating func u8(_ value: UInt8) { bytes.append(value) }
    mutating func u16(_ value: UInt16) { integer(value) }
    mutating func u32(_ value: UInt32) { integer(value) }
    mutating func u64(_ value: UInt64) { integer(value) }

    mutating func integer(_ value: some FixedWidthInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    mutating func string(_ text: String) {
        u64(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func pad(to unit: Int) { while bytes.count % unit != 0 { bytes.append(0) } }
}

/// A file with one key and two tensors, every field of which can be replaced.
struct RawGGUF {
    struct Tensor {
        var name = "a"
        var dimensions: [UInt64] = [4, 2]
        var dimensionCount: UInt32?
        var type: UInt32 = 0
        var offset: UInt64 = 0
    }

    var magic = "GGUF"
    var version: UInt32 = 3
    var tensorCount: UInt64?
    var pairCount: UInt64 = 1
    /// The encoded pairs.
    var pairs = RawGGUF.pair("test.key", type: 4) { $0.u32(7) }
    var tensors = [Tensor(), Tensor(name: "b", dimensions: [4], offset: 32)]
    var dataByteCount = 48

    static func pair(_ key: String, type: UInt32, _ value: (inout RawBytes) -> Void) -> [UInt8] {
        var raw = RawBytes()
        raw.string(key)
        raw.u32(type)
        value(&raw)
        return raw.bytes
    }

    var bytes: [UInt8] {
        var raw = RawBytes(bytes: Array(magic.utf8))
        raw.u32(version)
        raw.u64(tensorCount ?? UInt64(tensors.count))
        raw.u64(pairCount)
        raw.bytes += pairs
        for tensor in tensors {
            raw.string(tensor.name)
            raw.u32(tensor.dimensionCount ?? UInt32(tensor.dimensions.count))
            for dimension in tensor.dimensions { raw.u64(dimension) }
            raw.u32(tensor.type)
            raw.u64(tensor.offset)
        }
        raw.pad(to: 32)
        raw.bytes += (0..<dataByteCount).map { UInt8(truncatingIfNeeded: $0) }
        return raw.bytes
    }
}
