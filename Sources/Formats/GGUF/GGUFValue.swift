// SPDX-License-Identifier: Apache-2.0
// A metadata value of a GGUF file: checked when the file is opened, decoded on demand. A
// vocabulary of 262,144 tokens therefore costs one pass over its lengths and no allocation.

/// The value types of GGUF; raw values are those of the file (formats/gguf.md §3).
package enum GGUFValueType: UInt32, Sendable {
    case uint8 = 0, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

    /// Bytes of a value of fixed size; nil for strings and arrays.
    var fixedByteCount: Int? {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        case .string, .array: nil
        }
    }
}

/// A value of the metadata.
///
/// Accessors return nil if the value has another type.
package struct GGUFValue: Sendable {
    /// The type of the value, or of an array's elements.
    package let elementType: GGUFValueType
    /// Number of elements of an array; nil for a single value.
    package let arrayCount: Int?
    /// The encoded values, one after the other; a string is 8 bytes of length and its bytes.
    private let bytes: ByteView

    init(elementType: GGUFValueType, arrayCount: Int?, bytes: ByteView) {
        self.elementType = elementType
        self.arrayCount = arrayCount
        self.bytes = bytes
    }

    /// The position of the value in the file.
    package var byteOffset: Int { bytes.byteOffset }
}

// MARK: - Single values

extension GGUFValue {
    /// A string's bytes, in any encoding.
    package var stringBytes: ByteView? {
        guard arrayCount == nil, elementType == .string else { return nil }
        return bytes.slice(8, count: bytes.count - 8)
    }

    /// A string; bytes that are not UTF-8 are replaced by U+FFFD.
    package var string: String? { stringBytes.map { String(decoding: $0, as: UTF8.self) } }

    /// An integer of any width that fits Int.
    package var integer: Int? { arrayCount == nil ? integer(at: 0) : nil }

    /// A floating-point number, or an integer as one.
    package var float: Double? { arrayCount == nil ? float(at: 0) : nil }

    package var bool: Bool? { arrayCount == nil && elementType == .bool ? bytes[0] != 0 : nil }
}

// MARK: - Arrays

extension GGUFValue {
    /// An array of strings, decoded one by one while iterating.
    package var strings: GGUFStrings? {
        guard let arrayCount, elementType == .string else { return nil }
        return GGUFStrings(count: arrayCount, bytes: bytes)
    }

    /// An array of integers of any width that all fit Int.
    package var integers: [Int]? { elements(integer(at:)) }

    /// An array of floating-point numbers (Float64 is rounded), or of integers converted to Float.
    package var floats: [Float]? { elements { index in float(at: index).map { Float($0) } } }

    package var bools: [Bool]? { elements { elementType == .bool ? bytes[$0] != 0 : nil } }

    private func elements<T>(_ element: (Int) -> T?) -> [T]? {
        // Strings have no fixed size, so an index cannot locate one.
        guard let arrayCount, elementType.fixedByteCount != nil else { return nil }
        var result: [T] = []
        result.reserveCapacity(arrayCount)
        for index in 0..<arrayCount {
            guard let value = element(index) else { return nil }
            result.append(value)
        }
        return result
    }

    private func integer(at index: Int) -> Int? {
        switch elementType {
        case .uint8: Int(bytes[index])
        case .int8: Int(bytes.load(Int8.self, at: index))
        case .uint16: Int(bytes.load(UInt16.self, at: index * 2))
        case .int16: Int(bytes.load(Int16.self, at: index * 2))
        case .uint32: Int(bytes.load(UInt32.self, at: index * 4))
        case .int32: Int(bytes.load(Int32.self, at: index * 4))
        case .uint64: Int(exactly: bytes.load(UInt64.self, at: index * 8))
        case .int64: Int(bytes.load(Int64.self, at: index * 8))
        case .float32, .float64, .bool, .string, .array: nil
        }
    }

    private func float(at index: Int) -> Double? {
        switch elementType {
        case .float32: Double(Float(bitPattern: bytes.load(UInt32.self, at: index * 4)))
        case .float64: Double(bitPattern: bytes.load(UInt64.self, at: index * 8))
        default: integer(at: index).map { Double($0) }
        }
    }
}

/// The strings of an array, in order.
///
/// Each is a view of the file's own bytes; nothing is copied.
package struct GGUFStrings: Sequence, Sendable {
    package let count: Int
    private let bytes: ByteView

    init(count: Int, bytes: ByteView) {
        self.count = count
        self.bytes = bytes
    }

    package var underestimatedCount: Int { count }

    package func makeIterator() -> Iterator { Iterator(bytes: bytes) }

    /// Iterates over byte views; `String(decoding: $0, as: UTF8.self)` and `Array($0)` convert an element to text or bytes.
    package struct Iterator: IteratorProtocol {
        private let bytes: ByteView
        private var position = 0

        init(bytes: ByteView) { self.bytes = bytes }

        package mutating func next() -> ByteView? {
            // Lengths were checked when the file was opened.
            guard position < bytes.count else { return nil }
            let length = Int(bytes.load(UInt64.self, at: position))
            let element = bytes.slice(position + 8, count: length)
            position += 8 + length
            return element
        }
    }
}
