// SPDX-License-Identifier: Apache-2.0
// Writes small GGUF files, version 3: control vectors for other programs, and models for tests. It assembles the
// whole file in memory and then writes it at once.

import Platform
import Quantization

/// Collects metadata and tensors, in order.
package struct GGUFWriter {
    package enum Value {
        case uint32(UInt32), int32(Int32), uint64(UInt64), float32(Float), bool(Bool), string(String)
        case strings([String]), floats([Float]), integers([Int32])
    }

    private var pairs: [UInt8] = []
    private var pairCount = 0
    private var records: [UInt8] = []
    private var tensorCount = 0
    private var data: [UInt8] = []
    private let alignment = 32

    package init() {}

    /// Adds a key; the writer does not look for duplicates.
    package mutating func set(_ key: String, _ value: Value) {
        pairCount += 1
        pairs.append(string: key)
        switch value {
        case .uint32(let number): pairs.append(type: .uint32, integer: number)
        case .int32(let number): pairs.append(type: .int32, integer: number)
        case .uint64(let number): pairs.append(type: .uint64, integer: number)
        case .float32(let number): pairs.append(type: .float32, integer: number.bitPattern)
        case .bool(let bool): pairs.append(type: .bool, integer: UInt8(bool ? 1 : 0))
        case .string(let text):
            pairs.append(littleEndian: GGUFValueType.string.rawValue)
            pairs.append(string: text)
        case .strings(let texts): pairs.append(array: .string, texts) { $0.append(string: $1) }
        case .floats(let numbers):
            pairs.append(array: .float32, numbers) { $0.append(littleEndian: $1.bitPattern) }
        case .integers(let numbers): pairs.append(array: .int32, numbers) { $0.append(littleEndian: $1) }
        }
    }

    /// Adds a Float32 tensor.
    ///
    /// - Parameters:
    ///   - name: at most 64 bytes.
    ///   - dimensions: slowest first, such as [rows, columns]; their product is `values.count`.
    ///   - values: row-major.
    package mutating func add(_ name: String, dimensions: [Int], values: [Float]) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(values.count * 4)
        for value in values { bytes.append(littleEndian: value.bitPattern) }
        add(name, type: .f32, dimensions: dimensions, bytes: bytes)
    }

    /// Adds an encoded tensor.
    /// - Precondition: one to four dimensions whose encoded size is `bytes.count`.
    package mutating func add(_ name: String, type: GGMLType, dimensions: [Int], bytes: [UInt8]) {
        precondition((1...4).contains(dimensions.count), "GGUFWriter: one to four dimensions")
        precondition(
            type.byteCount(elements: dimensions.reduce(1, *)) == bytes.count, "GGUFWriter: size of \(name)")
        tensorCount += 1
        records.append(string: name)
        records.append(littleEndian: UInt32(dimensions.count))
        for dimension in dimensions.reversed() { records.append(littleEndian: UInt64(dimension)) }
        records.append(littleEndian: type.rawValue)
        records.append(littleEndian: UInt64(data.count))
        data.append(contentsOf: bytes)
        data.pad(to: alignment)
    }

    /// The complete file.
    package func bytes() -> [UInt8] {
        var file = Array("GGUF".utf8)
        file.append(littleEndian: UInt32(3))
        file.append(littleEndian: UInt64(tensorCount))
        file.append(littleEndian: UInt64(pairCount))
        file.append(contentsOf: pairs)
        file.append(contentsOf: records)
        file.pad(to: alignment)
        file.append(contentsOf: data)
        return file
    }

    /// Writes the file; it appears under its name when it is complete.
    /// - Throws: `FileError`.
    package func write(to path: String, replaceExisting: Bool) throws {
        try AtomicFileWriter.write(bytes(), to: path, replaceExisting: replaceExisting)
    }
}

extension [UInt8] {
    /// Appends an integer in little-endian order.
    mutating func append(littleEndian value: some FixedWidthInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// Appends zeros up to the next multiple of `unit`.
    mutating func pad(to unit: Int) {
        append(contentsOf: repeatElement(0, count: count.roundedUp(to: unit) - count))
    }

    fileprivate mutating func append(string text: String) {
        append(littleEndian: UInt64(text.utf8.count))
        append(contentsOf: text.utf8)
    }

    fileprivate mutating func append(type: GGUFValueType, integer: some FixedWidthInteger) {
        append(littleEndian: type.rawValue)
        append(littleEndian: integer)
    }

    fileprivate mutating func append<T>(
        array type: GGUFValueType, _ elements: [T], _ appendElement: (inout Self, T) -> Void
    ) {
        append(littleEndian: GGUFValueType.array.rawValue)
        append(littleEndian: type.rawValue)
        append(littleEndian: UInt64(elements.count))
        for element in elements { appendElement(&self, element) }
    }
}
