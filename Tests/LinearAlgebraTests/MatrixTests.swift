// SPDX-License-Identifier: Apache-2.0

import LinearAlgebra
import Testing

struct MatrixTests {
    let matrix = Matrix(rows: 2, columns: 3, values: [1, 2, 3, 4, 5, 9])

    @Test func elementsStandRowAfterRow() {
        #expect(matrix[0, 2] == 3 && matrix[1, 0] == 4)
        #expect(Array(matrix.row(1)) == [4, 5, 9] && matrix.column(1) == [2, 5])
        #expect(Matrix.identity(2).values == [1, 0, 0, 1])
    }

    @Test(arguments: [(1, 1), (2, 3), (33, 65), (0, 4)])
    func transposingTwiceChangesNothing(rows: Int, columns: Int) {
        let x = Matrix.random(rows, columns, seed: 1)
        #expect(x.transposed.transposed == x && x.transposed.rows == columns)
        if rows > 1 { #expect(x.transposed[1, 0] == x[0, 1]) }
    }

    @Test func centredColumnsHaveNoMean() {
        #expect(matrix.columnMeans == [2.5, 3.5, 6])
        #expect(matrix.centred().values == [-1.5, -1.5, -3, 1.5, 1.5, 3])
        #expect(Matrix(rows: 0, columns: 2).columnMeans == [0, 0])
    }

    @Test func partsAreSelected() {
        #expect(matrix.selectingRows([1, 0, 1]).values == [4, 5, 9, 1, 2, 3, 4, 5, 9])
        #expect(matrix.leadingColumns(2).values == [1, 2, 4, 5])
        #expect(matrix.leadingColumns(0).values.isEmpty)
        #expect(matrix.scalingColumns([1, 10, 0]).values == [1, 20, 0, 4, 50, 0])
        #expect(Matrix(rows: 2, columns: 2).addingToDiagonal(3).values == [3, 0, 0, 3])
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity])
    func whatIsNotFiniteIsSeen(value: Double) {
        var x = matrix
        #expect(x.isFinite)
        x[1, 1] = value
        #expect(!x.isFinite)
    }

    @Test func sizesThatDifferAreMisuse() async {
        await #expect(processExitsWith: .failure) { _ = Matrix(rows: 2, columns: 2, values: [1]) }
        await #expect(processExitsWith: .failure) {
            _ = product(Matrix(rows: 2, columns: 3), Matrix(rows: 2, columns: 3))
        }
    }
}
