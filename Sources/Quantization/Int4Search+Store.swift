// SPDX-License-Identifier: Apache-2.0
// int4: numbers in lanes to the bytes of a tile.

extension Int4Search {
    /// Writes eight rows of a tile, the first of which is `firstRow`; codes are those nearest to the values.
    static func store(
        _ rows: borrowing Rows, _ values: borrowing LaneRows, _ layout: TileLayout,
        into tile: UnsafeMutableRawPointer, firstRow: Int
    ) {
        let bytes = tile.assumingMemoryBound(to: UInt8.self)
        values.storeFactors(rows.rowScale, to: tile, index: firstRow)
        values.storeFactors(rows.rowMinimum, to: tile, index: firstRow &+ TensorEncoding.tileRows)
        for index in 0..<layout.groupCount {
            let x = values.values + index &* 32
            let group = rows.groups[index]
            let scales = bytes + (layout.scaleOffset(group: index) &+ firstRow)
            storeIntegers(group.scale, to: scales, stride: 1)
            storeIntegers(group.minimum, to: scales + 16, stride: 1)

            let inverseScale = inverseOrZero(rows.rowScale * group.scale)
            let minimum = rows.rowMinimum * group.minimum
            let codes = bytes + (layout.codeOffset(group: index) &+ firstRow &* 4)
            for pair in 0..<16 {
                let column = pair / 4 &* 8 &+ pair % 4
                let low = Int4Group.code(x[column], inverseScale: inverseScale, minimum: minimum)
                let high = Int4Group.code(x[column &+ 4], inverseScale: inverseScale, minimum: minimum)
                storeIntegers(low + high * 16, to: codes + (pair / 4 &* 64 &+ pair % 4), stride: 4)
            }
        }
    }
}
