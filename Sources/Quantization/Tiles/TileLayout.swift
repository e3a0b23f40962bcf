// SPDX-License-Identifier: Apache-2.0
// Byte offsets inside a tile of integer weights, as `TensorEncoding` describes it.

/// Byte offsets in one tile of 16 rows; the tile starts with 16 × bfloat16 row scales (affine encodings: then 16 row minimums).
package struct TileLayout: Sendable {
    /// Groups of 32 columns.
    package let groupCount: Int
    /// The block of group scales (affine encodings: scales and minimums).
    package let scaleByteOffset: Int
    /// Bytes of that block for one group.
    package let scaleStride: Int
    /// The block of codes.
    package let codeByteOffset: Int
    /// Bytes of codes of one group.
    package let codeStride: Int
    /// All bytes of the tile.
    package let byteCount: Int

    /// - Precondition: the encoding has integers and accepts `columns`.
    package init(_ encoding: TensorEncoding, columns: Int) {
        guard encoding.isInteger, encoding.accepts(columns: columns) else {
            preconditionFailure("TileLayout: \(encoding) has no groups, or not with \(columns) columns")
        }
        let bits = encoding.affineBitCount
        groupCount = columns / TensorEncoding.groupSize
        scaleByteOffset = bits == nil ? 32 : 64
        scaleStride = bits == nil ? 16 : 32
        codeByteOffset = (scaleByteOffset + groupCount * scaleStride).roundedUp(to: 64)
        codeStride = (bits ?? 8) * 64
        byteCount = codeByteOffset + groupCount * codeStride
    }

    /// The offset of row 0's group scale. The scale of row r is r bytes further; minimums are 16 bytes after the scales.
    @inline(__always)
    package func scaleOffset(group: Int) -> Int { scaleByteOffset &+ group &* scaleStride }

    /// Offset of a group's codes.
    @inline(__always)
    package func codeOffset(group: Int) -> Int { codeByteOffset &+ group &* codeStride }
}
