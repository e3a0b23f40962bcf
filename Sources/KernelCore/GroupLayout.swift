// SPDX-License-Identifier: Apache-2.0
// Where things lie in a tile of integers. What `TileLayout` of Quantization says of weights is said again here, since kernels
// import nothing and their strides are constants; a test holds the two to each other.

/// Bytes of a tile: the rows' factors, each group's scales, zeros up to a multiple of 64, each group's codes.
public struct GroupLayout {
    /// All factors of the rows.
    public let factorByteCount: Int
    /// Scales of one group, and minimums where it has them.
    public let scaleByteCount: Int
    /// Codes of one group.
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
