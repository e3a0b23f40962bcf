// SPDX-License-Identifier: Apache-2.0
// A tensor of a safetensors file, as its header describes it (formats/safetensors.md §2).

import JSON

/// A type of a tensor's numbers; the raw value is its name in the header.
package enum SafetensorsType: String, Sendable, CaseIterable {
    case bool = "BOOL"
    case f4 = "F4"
    case f6_e2m3 = "F6_E2M3"
    case f6_e3m2 = "F6_E3M2"
    case u8 = "U8"
    case i8 = "I8"
    case f8_e4m3 = "F8_E4M3"
    case f8_e5m2 = "F8_E5M2"
    case f8_e8m0 = "F8_E8M0"
    case f8_e4m3fnuz = "F8_E4M3FNUZ"
    case f8_e5m2fnuz = "F8_E5M2FNUZ"
    case i16 = "I16"
    case u16 = "U16"
    case f16 = "F16"
    case bf16 = "BF16"
    case i32 = "I32"
    case u32 = "U32"
    case f32 = "F32"
    case i64 = "I64"
    case u64 = "U64"
    case f64 = "F64"
    case c64 = "C64"

    /// Bits of one number.
    package var bitCount: Int {
        switch self {
        case .f4: 4
        case .f6_e2m3, .f6_e3m2: 6
        case .bool, .u8, .i8, .f8_e4m3, .f8_e5m2, .f8_e8m0, .f8_e4m3fnuz, .f8_e5m2fnuz: 8
        case .i16, .u16, .f16, .bf16: 16
        case .i32, .u32, .f32: 32
        case .i64, .u64, .f64, .c64: 64
        }
    }
}

/// The name, type, shape and location of a tensor.
package struct SafetensorsTensor: Sendable {
    package let name: String
    package let type: SafetensorsType
    /// Slowest dimension first; empty for a single number.
    package let shape: [Int]
    /// Bytes from the start of the data part.
    package let dataOffset: Int
    package let byteCount: Int

    static let maximumDimensionCount = 8
    static let maximumElementCount = 1 << 48

    /// Reads a member of the header; its byte range has not been checked against the others yet.
    /// - Throws: `FormatError` R9–R13.
    init(name: String, _ json: JSON) throws(FormatError) {
        func field(_ key: String, _ expected: String, _ found: JSON?) -> FormatError {
            FormatError(
                .safetensorsTensorFields,
                found: "\(found?.kindName ?? "nothing") at \"\(key)\" of \"\(name)\"",
                expected: expected)
        }
        guard let object = json.objectValue else {
            throw FormatError(
                .safetensorsTensorFields, found: "\(json.kindName) at \"\(name)\"", expected: "an object")
        }
        guard let typeName = object["dtype"]?.stringValue else {
            throw field("dtype", "a string", object["dtype"])
        }
        guard let dimensions = object["shape"]?.arrayValue else {
            throw field("shape", "an array of integers", object["shape"])
        }
        guard let offsets = object["data_offsets"]?.arrayValue, offsets.count == 2 else {
            throw field("data_offsets", "an array of two integers", object["data_offsets"])
        }
        self.name = name
        type = try Self.type(typeName, of: name)
        var shape: [Int] = []
        for dimension in dimensions {
            guard case .integer(let size) = dimension else {
                throw field("shape", "an array of integers", dimension)
            }
            shape.append(size)
        }
        self.shape = shape
        guard case .integer(let begin) = offsets[0], case .integer(let end) = offsets[1] else {
            throw field("data_offsets", "an array of two integers", json["data_offsets"])
        }
        guard begin >= 0, end >= begin else {
            throw FormatError(
                .safetensorsDataOffsets, found: "\(begin) to \(end) for \"\(name)\"",
                expected: "an end not below the beginning, both at least 0")
        }
        dataOffset = begin
        byteCount = end - begin
        // There are at most 2^48 elements of 64 bits: the product cannot overflow.
        let bitCount = try Self.elementCount(shape, of: name) * type.bitCount
        guard bitCount % 8 == 0, byteCount == bitCount / 8 else {
            throw FormatError(
                .safetensorsTensorSize, found: "\(byteCount) bytes for \"\(name)\"",
                expected: "\(bitCount) bits for \(type.rawValue) \(shape), in whole bytes")
        }
    }

    private static func type(_ name: String, of tensor: String) throws(FormatError) -> SafetensorsType {
        guard let type = SafetensorsType(rawValue: name) else {
            throw FormatError(
                .safetensorsTensorType, found: "\"\(name)\" for \"\(tensor)\"",
                expected: "one of \(SafetensorsType.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return type
    }

    private static func elementCount(_ shape: [Int], of name: String) throws(FormatError) -> Int {
        func refusal() -> FormatError {
            FormatError(
                .safetensorsShape, found: "\(shape.prefix(9)) of \"\(name)\"",
                expected: "at most \(maximumDimensionCount) dimensions, each 0 or more, "
                    + "and \(maximumElementCount) elements in all")
        }
        guard shape.count <= maximumDimensionCount, shape.allSatisfy({ $0 >= 0 }) else { throw refusal() }
        var count = 1
        for dimension in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard !overflow, product <= maximumElementCount else { throw refusal() }
            count = product
        }
        return count
    }
}
