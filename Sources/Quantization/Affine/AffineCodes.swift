// SPDX-License-Identifier: Apache-2.0
// The bit layout of one code in a group of int3, int4 or int5: a field of two or four bits, and in some encodings one more bit.

/// Reads single codes; kernels read 64 at once.
package struct AffineCodes: Sendable {
    /// Bits per field, 2 or 4, and fields per byte.
    let fieldWidth: Int, fieldCount: Int
    /// Vectors of 64 bytes; each holds the fields of all 32 columns of 16 rows.
    let vectorCount: Int
    /// Whether 64 bytes follow that hold one more bit of each code.
    let hasPlane: Bool

    package init(bitCount: Int) {
        fieldWidth = bitCount == 3 ? 2 : 4
        fieldCount = 8 / fieldWidth
        vectorCount = fieldWidth
        hasPlane = bitCount != fieldWidth
    }

    /// - Parameters:
    ///   - codes: The codes of the group.
    ///   - row: 0…15.
    ///   - column: 0…31.
    @inline(__always)
    package func code(_ codes: UnsafeRawPointer, row: Int, column: Int) -> UInt8 {
        let quad = column / 4, byte = row &* 4 &+ column % 4
        let fields = codes.load(fromByteOffset: quad / fieldCount &* 64 &+ byte, as: UInt8.self)
        let low = (fields >> UInt8(quad % fieldCount &* fieldWidth)) & (1 << UInt8(fieldWidth) - 1)
        guard hasPlane else { return low }
        let plane = codes.load(fromByteOffset: vectorCount &* 64 &+ byte, as: UInt8.self)
        return low | ((plane >> UInt8(quad)) & 1) << UInt8(fieldWidth)
    }
}
