// SPDX-License-Identifier: Apache-2.0
// A tensor record of a GGUF file (formats/gguf.md §3.3). GGUF lists the fastest dimension first; this code
// reverses the order, and no other code does.

import Quantization

/// The location, type and shape of a tensor.
package struct GGUFTensor: Sendable {
    package let name: String
    package let type: GGMLType
    /// Slowest dimension first; one to four.
    package let dimensions: [Int]
    /// Bytes from the start of the file.
    package let byteOffset: Int
    package let byteCount: Int

    /// Product of all dimensions but the last; 1 for a vector.
    package var rows: Int { dimensions.dropLast().reduce(1, *) }
    /// Consecutive elements of a row.
    package var columns: Int { dimensions[dimensions.count - 1] }
}

/// A record whose byte range has not been checked against the file yet.
struct GGUFTensorRecord {
    let name: String
    let type: GGMLType
    let dimensions: [Int]
    let byteCount: Int
    /// Bytes from the start of the data part, as stored.
    let relativeOffset: UInt64
    /// The position of the record itself.
    let byteOffset: Int

    /// - Throws: `FormatError` R14, R16–R19, or R3 when the file ends early.
    init(_ reader: inout ByteReader) throws(FormatError) {
        byteOffset = reader.byteOffset
        name = try Self.name(&reader)
        let fastestFirst = try Self.dimensions(&reader, name: name)
        dimensions = fastestFirst.reversed()

        let typeOffset = reader.byteOffset
        let number = try reader.integer(UInt32.self, "tensor type")
        guard let type = GGMLType(rawValue: number) else {
            let known = GGMLType.allCases.map(\.name).joined(separator: ", ")
            throw FormatError(
                .ggufTensorType,
                found: "\(GGMLType.name(ofRawValue: number) ?? "unknown type") (\(number)) in \"\(name)\"",
                expected: "one of \(known)", byteOffset: typeOffset)
        }
        self.type = type
        // Blocks never cross rows, so each row must contain whole blocks.
        let elements = fastestFirst.reduce(1, *)
        guard fastestFirst[0] % type.blockSize == 0, let bytes = type.byteCount(elements: elements) else {
            throw FormatError(
                .ggufRowBlocks, found: "rows of \(fastestFirst[0]) elements in \"\(name)\"",
                expected: "a multiple of \(type.blockSize) for \(type.name)", byteOffset: byteOffset)
        }
        byteCount = bytes
        relativeOffset = try reader.integer(UInt64.self, "tensor offset")
    }

    private static func name(_ reader: inout ByteReader) throws(FormatError) -> String {
        let start = reader.byteOffset
        let limit = GGUFFile.maximumTensorNameByteCount
        let length = try reader.count("tensor name length", unit: 1, limit: limit, rule: .ggufTensorName)
        guard length > 0, let name = try reader.bytes(length, "tensor name").text else {
            throw FormatError(
                .ggufTensorName, found: length == 0 ? "an empty name" : "bytes that are not UTF-8",
                expected: "1 to \(limit) bytes of UTF-8", byteOffset: start)
        }
        return name
    }

    /// Dimensions as stored, fastest first; their product fits 48 bits.
    private static func dimensions(_ reader: inout ByteReader, name: String) throws(FormatError) -> [Int] {
        let start = reader.byteOffset
        let count = try reader.integer(UInt32.self, "dimension count")
        guard (1...4).contains(count) else {
            throw FormatError(
                .ggufDimensionCount, found: "\(count) dimensions of \"\(name)\"", expected: "1 to 4",
                byteOffset: start)
        }
        var product = 1
        var dimensions: [Int] = []
        for _ in 0..<count {
            let offset = reader.byteOffset
            let dimension = try reader.integer(UInt64.self, "dimension")
            let (next, overflow) = product.multipliedReportingOverflow(by: Int(clamping: dimension))
            guard dimension > 0, !overflow, next <= GGUFFile.maximumElementCount else {
                throw FormatError(
                    .ggufDimension, found: "dimension \(dimension) of \"\(name)\"",
                    expected: "at least 1, and at most \(GGUFFile.maximumElementCount) elements in all",
                    byteOffset: offset)
            }
            product = next
            dimensions.append(Int(dimension))
        }
        return dimensions
    }
}
