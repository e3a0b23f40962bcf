// SPDX-License-Identifier: Apache-2.0
// The byte layout of a tile of integers. It repeats the layout of weights that `TileLayout` of Quantization describes, since
// kernels import nothing and need constant strides; a test compares the two.

/// Bytes of a tile: the rows' factors, each group's scales, zeros up to a multiple of 64, each group's codes.
public struct GroupLayout {
    /// Bytes of all row factors.
    public let factorByteCount: Int
    /// Bytes of one group's scales, and of its minimums if it has them.
    public let scaleByteCount: Int
    /// Bytes of one group's codes.
    public let codeByteCount: Int

    @inlinable @inline(__always)
    init(factors: Int, scales: Int, codes: Int) {
        (factorByteCount, scaleByteCount, codeByteCount) = (factors, scales, codes)
    }

    /// `TensorEncoding.int8`.
    @inlinable public static var int8: GroupLayout {
        @inline(__always) get { GroupLayout(factors: 32, scales: 16, codes: 512) }
    }

    /// `TensorEncoding.int5`, `int4` and `int3`.
    @inlinable @inline(__always)
    public static func affine(codeByteCount: Int) -> GroupLayout {
        GroupLayout(factors: 64, scales: 32, codes: codeByteCount)
    }

    /// Keys of an 8-bit cache, whose scales are binary16.
    @inlinable public static var keys: GroupLayout {
        @inline(__always) get { GroupLayout(factors: 0, scales: 32, codes: 512) }
    }

    /// Bytes before the codes.
    @inlinable @inline(__always)
    public func codeOffset(groupCount: Int) -> Int {
        (factorByteCount &+ groupCount &* scaleByteCount &+ 63) / 64 &* 64
    }

    /// Bytes of a tile.
    @inlinable @inline(__always)
    public func byteCount(groupCount: Int) -> Int {
        codeOffset(groupCount: groupCount) &+ groupCount &* codeByteCount
    }
}
