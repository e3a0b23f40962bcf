// SPDX-License-Identifier: Apache-2.0

import LinearAlgebra
import Testing

struct ProductTests {
    static let sizes = [(1, 1, 1), (2, 3, 4), (5, 1, 7), (31, 33, 129), (64, 100, 17)]

    /// γₖ Σ|aᵢbᵢ| with standard normal elements below 6.
    private func bound(_ inner: Int) -> Double { Double(inner) * .ulpOfOne * Double(inner) * 36 }

    @Test func openBLASIsInstalled() throws { try LinearAlgebra.load() }

    @Test(arguments: sizes)
    func productsAreThoseOfThePlainLoops(rows: Int, inner: Int, columns: Int) throws {
        try LinearAlgebra.load()
        let a = Matrix.random(rows, inner, seed: 1), b = Matrix.random(inner, columns, seed: 2)
        let expected = referenceProduct(a, b)
        expectEqual(product(a, b), expected, within: bound(inner))
        expectEqual(product(a.transposed, b, transposing: .first), expected, within: bound(inner))
        expectEqual(product(a, b.transposed, transposing: .second), expected, within: bound(inner))
    }

    @Test(arguments: sizes)
    func aVectorIsAMatrixOfOneColumn(rows: Int, inner: Int, columns: Int) throws {
        try LinearAlgebra.load()
        let a = Matrix.random(rows, inner, seed: 3), x = Matrix.random(inner, 1, seed: 4)
        let expected = referenceProduct(a, x)
        for found in [product(a, x.values), product(a.transposed, x.values, transposing: true)] {
            expectEqual(
                Matrix(rows: rows, columns: 1, values: found), expected, within: bound(inner))
        }
        #expect(abs(dotProduct(x.values, x.values) - referenceProduct(x.transposed, x)[0, 0]) < bound(inner))
    }

    @Test(arguments: sizes)
    func aGramMatrixIsSymmetric(rows: Int, inner: Int, columns: Int) throws {
        try LinearAlgebra.load()
        let x = Matrix.random(rows, inner, seed: 5)
        let ofColumns = gram(x), ofRows = gram(x, ofRows: true)
        #expect(ofColumns == ofColumns.transposed && ofRows == ofRows.transposed)
        expectEqual(ofColumns, referenceProduct(x.transposed, x), within: bound(rows))
        expectEqual(ofRows, referenceProduct(x, x.transposed), within: bound(inner))
    }

    @Test func emptyProductsAreZeros() throws {
        try LinearAlgebra.load()
        let nothing = Matrix(rows: 2, columns: 0)
        #expect(product(nothing, Matrix(rows: 0, columns: 3)) == Matrix(rows: 2, columns: 3))
        #expect(product(nothing, []) == [0, 0])
        #expect(product(nothing, [1, 2], transposing: true).isEmpty)
        #expect(gram(nothing) == Matrix(rows: 0, columns: 0))
        #expect(gram(nothing, ofRows: true) == Matrix(rows: 2, columns: 2))
    }
}
