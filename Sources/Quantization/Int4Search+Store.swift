// SPDX-License-Identifier: Apache-2.0
// int4: numbers in lanes to the bytes of a tile.

extension Int4Search {
    /// The codes nearest to the values, [columns].
    static func roundToNearest(
        _ values: borrowing LaneRows, _ rows: borrowing Rows, groupCount: Int,
        into codes: UnsafeMutablePointer<Lanes>
    ) {
        for index in 0..<groupCount {
            let group = rows.groups[index]
            let inverseScale = inverseOrZero(rows.rowScale * group.scale)
            let minimum = rows.rowMinimum * group.minimum
            for column in index &* 32..<(index &+ 1) &* 32 {
                codes[column] = Int4Group.code(
                    values.values[column], inverseScale: inverseScale, minimum: minimum)
            }
        }
    }

    /// Writes eight rows of a tile, the first of which is `firstRow`.
    static func store(
        _ rows: borrowing Rows, codes: UnsafePointer<Lanes>, _ values: borrowing LaneRows,
        _ layout: TileLayout,
        into tile: UnsafeMutableRawPointer, firstRow: Int
    ) {
        let bytes = tile.assumingMemoryBound(to: UInt8.self)
        values.storeFactors(rows.rowScale, to: tile, index: firstRow)
        values.storeFactors(rows.rowMinimum, to: tile, index: firstRow &+ TensorEncoding.tileRows)
        for index in 0..<layout.groupCount {
            let q = codes + index &* 32
            let group = rows.groups[index]
            let scales = bytes + (layout.scaleOffset(group: index) &+ firstRow)
            storeIntegers(group.scale, to: scales, stride: 1)
            storeIntegers(group.minimum, to: scales + 16, stride: 1)

            let bytes = bytes + (layout.codeOffset(group: index) &+ firstRow &* 4)
            for pair in 0..<16 {
                let column = pair / 4 &* 8 &+ pair % 4
                storeIntegers(
                    q[column] + q[column &+ 4] * 16, to: bytes + (pair / 4 &* 64 &+ pair % 4), stride: 4)
            }
        }
    }
}
