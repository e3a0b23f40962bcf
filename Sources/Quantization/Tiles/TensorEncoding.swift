// SPDX-License-Identifier: Apache-2.0
// The layout of weights in the file and in memory. It is the same on every CPU: SIMD lanes are rows, so the
// widest and the narrowest kernel read the same tiles, and loading repacks nothing.

/// The encoding of one tensor; raw values are those of `formats/tiller.md`.
///
/// A matrix is [rows × columns]. All encodings but `vector` divide it into tiles of 16 consecutive rows
/// (the last one padded with zero rows) and store tile after tile; each tile holds all columns. A bfloat16 is the
/// upper half of a Float32: row factors need its range, but no more than its 8 bits, because the scales below them are
/// chosen for the stored factor.
package enum TensorEncoding: UInt8, Sendable, CaseIterable {
    /// Plain row-major Float32: norm gains, biases, RoPE factors.
    case vector = 0
    /// Tile: for each column, 16 × Float32 (one for each row).
    case float32 = 1
    /// Tile: for each column, 16 × IEEE binary16.
    case float16 = 2
    /// w[r, c] = rowScale[r] · scale[r, g] · (q[r, c] − 128), with g = c / 32, q in 1…255.
    ///
    /// Tile: 16 × bfloat16 `rowScale`, then for each group 16 × UInt8 `scale` (all this padded with zeros to a
    /// multiple of 64 bytes); for each group 512 bytes of q: for each j in 0..<8, 16 rows × 4 bytes that hold
    /// the columns 32g + 4j … 32g + 4j + 3.
    case int8 = 3
    /// w[r, c] = rowScale[r] · scale[r, g] · q[r, c] − rowMinimum[r] · minimum[r, g], with g = c / 32, q in 0…15.
    ///
    /// Tile: 16 × bfloat16 `rowScale`, 16 × bfloat16 `rowMinimum`; for each group 16 × UInt8 `scale` followed by
    /// 16 × UInt8 `minimum` (all this padded with zeros to a multiple of 64 bytes); for each group 256 bytes of
    /// nibbles: for each j in 0..<4, 16 rows × 4 bytes whose low nibbles hold the columns 32g + 8j … + 3 and whose
    /// high nibbles hold the columns 32g + 8j + 4 … + 7.
    case int4 = 4
    /// As int4 with q in 0…31: 64 bytes of fifth bits follow a group's nibbles. For each of 16 rows × 4 bytes, bit s of
    /// byte k belongs to column 32g + 4s + k.
    case int5 = 5
    /// As int4 with q in 0…7; for each group 128 bytes of pairs of bits: for each j in 0..<2, 16 rows × 4 bytes, whose bits 2i
    /// and 2i + 1 are the lower ones of the columns 32g + 16j + 4i … + 3; then 64 bytes of third bits as in int5.
    case int3 = 6

    /// Rows of one tile.
    package static let tileRows = 16
    /// Columns that share one scale.
    package static let groupSize = 32
}

extension TensorEncoding {
    /// Whether codes are integers with scales for groups of columns.
    package var isInteger: Bool {
        switch self {
        case .vector, .float32, .float16: false
        case .int8, .int5, .int4, .int3: true
        }
    }

    /// Bits per code if each group has a scale and a minimum, w = s · q − m; nil for other encodings.
    package var affineBitCount: Int? {
        switch self {
        case .vector, .float32, .float16, .int8: nil
        case .int5: 5
        case .int4: 4
        case .int3: 3
        }
    }

    /// Whether rows of this many columns can be stored.
    package func accepts(columns: Int) -> Bool {
        switch self {
        case .vector, .float32, .float16: columns > 0
        case .int8, .int5, .int4, .int3: columns > 0 && columns % Self.groupSize == 0
        }
    }

    /// Bytes of one tile of 16 rows, or nil when `columns` is not acceptable or the size overflows.
    package func tileByteCount(columns: Int) -> Int? {
        guard accepts(columns: columns), columns <= Int(Int32.max) else { return nil }
        return switch self {
        case .vector: nil
        case .float32: columns * Self.tileRows * 4
        case .float16: columns * Self.tileRows * 2
        case .int8, .int5, .int4, .int3: TileLayout(self, columns: columns).byteCount
        }
    }

    /// Bytes of a tensor [rows × columns], or nil when it cannot be stored or the size overflows.
    package func byteCount(rows: Int, columns: Int) -> Int? {
        guard rows > 0, columns > 0, rows <= Int(Int32.max), columns <= Int(Int32.max) else { return nil }
        // A vector stores its rows one after the other; all other encodings store tiles of rows.
        let isVector = self == .vector
        guard let unit = isVector ? columns * 4 : tileByteCount(columns: columns) else { return nil }
        let count = isVector ? rows : (rows + Self.tileRows - 1) / Self.tileRows
        let (bytes, overflow) = unit.multipliedReportingOverflow(by: count)
        return overflow ? nil : bytes
    }
}

extension Int {
    /// The smallest multiple of `unit` that is not below this value.
    package func roundedUp(to unit: Int) -> Int { (self + unit - 1) / unit * unit }
}
