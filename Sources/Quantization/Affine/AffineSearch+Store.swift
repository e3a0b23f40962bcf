// SPDX-License-Identifier: Apache-2.0
// int3, int4 and int5: writes the codes and scales of eight SIMD lanes as the bytes of a tile.

extension AffineSearch {
    /// Rounds values to the nearest codes, [columns].
    func roundToNearest(
        _ values: borrowing LaneRows, _ rows: borrowing Rows, groupCount: Int,
        into codes: UnsafeMutablePointer<Float8>
    ) {
        for index in 0..<groupCount {
            let inverseScale = inverseOrZero(rows.rowScale * rows.groups[index].scale)
            let minimum = rows.rowMinimum * rows.groups[index].minimum
            for column in index &* 32..<(index &+ 1) &* 32 {
                codes[column] = group.code(
                    values.values[column], inverseScale: inverseScale, minimum: minimum)
            }
        }
    }

    /// Writes eight rows of a tile, the first of which is `firstRow`.
    func store(
        _ rows: borrowing Rows, codes: UnsafePointer<Float8>, _ values: borrowing LaneRows,
        _ layout: TileLayout,
        into tile: UnsafeMutableRawPointer, firstRow: Int
    ) {
        let bytes = tile.assumingMemoryBound(to: UInt8.self)
        let places = AffineCodes(bitCount: bitCount)
        values.storeFactors(rows.rowScale, to: tile, index: firstRow)
        values.storeFactors(rows.rowMinimum, to: tile, index: firstRow &+ TensorEncoding.tileRows)
        for index in 0..<layout.groupCount {
            let q = codes + index &* 32
            let group = rows.groups[index]
            let scales = bytes + (layout.scaleOffset(group: index) &+ firstRow)
            storeIntegers(group.scale, to: scales, stride: 1)
            storeIntegers(group.minimum, to: scales + 16, stride: 1)

            storeCodes(q, places, to: bytes + (layout.codeOffset(group: index) &+ firstRow &* 4))
        }
    }

    /// Writes the codes of 32 columns of eight rows; sums of Floats below 256 place the bits.
    private func storeCodes(
        _ q: UnsafePointer<Float8>, _ places: AffineCodes, to bytes: UnsafeMutablePointer<UInt8>
    ) {
        let top = Float(Int32(1 << places.fieldWidth))
        let one = Float8(repeating: 1)
        for byte in 0..<4 {
            var plane = Float8()
            for vector in 0..<places.vectorCount {
                var fields = Float8()
                for place in 0..<places.fieldCount {
                    let quad = vector &* places.fieldCount &+ place
                    let code = q[quad &* 4 &+ byte]
                    let high = Float8().replacing(with: one, where: code .>= top)
                    fields += (code - high * top) * Float(Int32(1 << (place &* places.fieldWidth)))
                    plane += high * Float(Int32(1 << quad))
                }
                storeIntegers(fields, to: bytes + (vector &* 64 &+ byte), stride: 4)
            }
            if places.hasPlane {
                storeIntegers(plane, to: bytes + (places.vectorCount &* 64 &+ byte), stride: 4)
            }
        }
    }
}
