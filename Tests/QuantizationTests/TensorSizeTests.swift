// SPDX-License-Identifier: Apache-2.0
// Sizes that files state: right where they fit into an integer, none where they do not.

import Quantization
import Testing

private let everyEncoding: [TensorEncoding] = [.vector, .float32, .float16, .int8, .int5, .int4, .int3]

@Test(arguments: everyEncoding)
func sizesThatOverflowAreNone(encoding: TensorEncoding) throws {
    let largest = Int(Int32.max)
    let columns = largest / TensorEncoding.groupSize * TensorEncoding.groupSize
    // One row of the widest matrix is a tile of 16; a vector has none.
    #expect((try #require(encoding.byteCount(rows: 1, columns: columns))) / columns < 65)
    #expect(encoding.byteCount(rows: largest + 1, columns: 64) == nil)
    for rows in [largest, largest - 1, 1 << 30] {
        guard let size = encoding.byteCount(rows: rows, columns: columns) else { continue }
        // Where there is one, it is the product.
        let tiles =
            encoding == .vector ? rows : (rows + TensorEncoding.tileRows - 1) / TensorEncoding.tileRows
        let unit = encoding == .vector ? columns * 4 : try #require(encoding.tileByteCount(columns: columns))
        #expect(unit.multipliedFullWidth(by: tiles).high == 0 && size == unit * tiles)
    }
}

@Test func aVectorOfTheLargestSidesHasNoSize() {
    #expect(TensorEncoding.vector.byteCount(rows: Int(Int32.max), columns: Int(Int32.max)) == nil)
}
