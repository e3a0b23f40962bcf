// SPDX-License-Identifier: Apache-2.0
// A table of points that codes stand for, as in vector quantization.

/// Points of small integers [points × coordinates], kept as long as the program runs.
struct CodebookGrid: @unchecked Sendable {
    private let coordinates: UnsafePointer<Int8>

    /// - Parameters:
    ///   - values: the values of coordinates, by their codes.
    ///   - bitsPerValue: bits of a code; the first code is in the low bits of a byte.
    ///   - hexadecimal: bytes of codes, two digits each.
    init(values: [Int8], bitsPerValue: Int, hexadecimal: StaticString) {
        let perByte = 8 / bitsPerValue
        let byteCount = hexadecimal.utf8CodeUnitCount / 2
        let table = UnsafeMutablePointer<Int8>.allocate(capacity: byteCount * perByte)
        for index in 0..<byteCount {
            let digits = (hexadecimal.utf8Start[2 * index], hexadecimal.utf8Start[2 * index + 1])
            let byte = Int(Self.value(ofDigit: digits.0) << 4 | Self.value(ofDigit: digits.1))
            for part in 0..<perByte {
                // A code has at most three bits, also where it takes four.
                table[index * perByte + part] =
                    values[byte >> (part * bitsPerValue) & (values.count > 4 ? 7 : 3)]
            }
        }
        coordinates = UnsafePointer(table)
    }

    private static func value(ofDigit digit: UInt8) -> UInt8 {
        digit >= UInt8(ascii: "a") ? digit - UInt8(ascii: "a") + 10 : digit - UInt8(ascii: "0")
    }

    /// The coordinates of a point with `size` of them.
    @inline(__always)
    func point(_ index: Int, size: Int) -> UnsafePointer<Int8> { coordinates + index &* size }
}
