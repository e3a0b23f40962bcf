// SPDX-License-Identifier: Apache-2.0
// What the tests of tiles share: test values, and a tile with its bytes read independently of the decoder.

import Glibc
import Quantization
import TestSupport

/// Where test weights come from.
enum Distribution: CaseIterable {
    case uniform, normal, heavyTailed, wideRange, shifted, outlier, gridOf4Bits

    static let all = Distribution.allCases

    func values(_ count: Int, seed: UInt64) -> [Float] {
        var generator = SeededGenerator(seed: seed)
        return (0..<count).map { index in
            let normal = generator.nextNormal()
            switch self {
            case .uniform: return Float.random(in: -1...1, using: &generator)
            case .normal: return normal * 0.05
            case .heavyTailed: return normal * normal * normal * 0.1
            case .wideRange: return normal * exp2(Float(index / 32 % 24) - 12)
            case .shifted: return normal + 3 * Float(index / 32 % 3 - 1)
            case .outlier: return index % 509 == 7 ? 500 : normal * 0.1
            case .gridOf4Bits:
                let step: Float = 0.125 + Float(index / 32 % 5) * 0.0625
                return step * Float(Int.random(in: 0...15, using: &generator) - 8)
            }
        }
    }
}

/// A tile, how it was made, and its bytes.
struct EncodedTile {
    let bytes: [UInt8]
    let error: QuantizationError
    let columns: Int
    let encoding: TensorEncoding

    init(
        _ rows: [Float], _ rowCount: Int, _ columns: Int, _ encoding: TensorEncoding,
        importance: [Float]? = nil
    ) throws {
        let byteCount = encoding.tileByteCount(columns: columns) ?? 0
        let tile = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount + 64, alignment: 64)
        defer { tile.deallocate() }
        tile.initializeMemory(as: UInt8.self, repeating: 0xA5)
        var error = QuantizationError()
        if let output = tile.baseAddress {
            if let importance {
                try TileCodec.encode(
                    rows: rows, validRows: rowCount, columns: columns, encoding: encoding,
                    importance: importance, into: output, error: &error)
            } else {
                try TileCodec.encode(
                    rows: rows, validRows: rowCount, columns: columns, encoding: encoding,
                    importance: nil, into: output, error: &error)
            }
        }
        precondition(tile[byteCount...].allSatisfy { $0 == 0xA5 }, "wrote behind the tile")
        bytes = Array(tile[..<byteCount])
        self.error = error
        self.columns = columns
        self.encoding = encoding
    }

    func decoded() -> [Float] { (0..<16).flatMap(decodedRow) }

    func decodedRow(_ row: Int) -> [Float] {
        var values = [Float](repeating: .nan, count: columns)
        bytes.withUnsafeBytes { tile in
            guard let base = tile.baseAddress else { return }
            TileCodec.decodeRow(row, tile: base, columns: columns, encoding: encoding, into: &values)
        }
        return values
    }

    // MARK: - The layout as `TensorEncoding` words it

    /// A bfloat16.
    private func float(at offset: Int) -> Float {
        Float(bitPattern: UInt32(bytes[offset]) << 16 | UInt32(bytes[offset + 1]) << 24)
    }

    private var groups: Int { columns / 32 }
    private var scales: Int { encoding == .int8 ? 32 : 64 }
    private var codes: Int {
        (scales + groups * (encoding == .int8 ? 16 : 32) + 63) / 64 * 64
    }

    /// rowScale · scale of a group.
    func step(row: Int, group: Int) -> Float {
        float(at: row * 2) * Float(bytes[scales + group * (encoding == .int8 ? 16 : 32) + row])
    }

    /// rowMinimum · minimum of a group of affine codes.
    func minimum(row: Int, group: Int) -> Float {
        float(at: 32 + row * 2) * Float(bytes[scales + group * 32 + 16 + row])
    }

    /// The code of one weight of integers.
    func code(row: Int, column: Int) -> Int {
        let group = column / 32
        let k = column % 32
        if encoding == .int8 { return Int(bytes[codes + group * 512 + k / 4 * 64 + row * 4 + k % 4]) }
        let bits = encoding.affineBitCount ?? 4
        let width = bits == 3 ? 2 : 4
        let start = codes + group * bits * 64, byte = row * 4 + k % 4, quad = k / 4
        let low =
            bytes[start + quad * width / 8 * 64 + byte] >> UInt8(quad * width % 8) & UInt8(1 << width - 1)
        let high = bits > width ? (bytes[start + width * 64 + byte] >> UInt8(quad)) & 1 : 0
        return Int(low | high << UInt8(width))
    }

    /// The weight that the layout states; `source` is what was encoded.
    func value(row: Int, column: Int, source: Float) -> Float {
        switch encoding {
        case .int8: step(row: row, group: column / 32) * Float(code(row: row, column: column) - 128)
        case .int5, .int4, .int3:
            step(row: row, group: column / 32) * Float(code(row: row, column: column))
                - minimum(row: row, group: column / 32)
        case .float16: Float(Float16(source))
        case .float32, .vector: source
        }
    }

    func isExtremeCode(row: Int, column: Int) -> Bool {
        let code = code(row: row, column: column)
        return encoding == .int8
            ? code == 1 || code == 255 : code == 0 || code == 1 << (encoding.affineBitCount ?? 4) - 1
    }
}
