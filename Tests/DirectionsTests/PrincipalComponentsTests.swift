// SPDX-License-Identifier: Apache-2.0
// Principal components and patterns, told by their definitions.

import Directions
import LinearAlgebra
import Testing

@Suite struct PrincipalComponentsTests {
    init() throws { try LinearAlgebra.load() }

    @Test(arguments: [(50, 8), (8, 50)], [true, false])
    func componentsDiagonalizeTheCovariance(shape: (rows: Int, width: Int), centred: Bool) throws {
        var random = RandomStream(seed: 1)
        var rows = random.nextMatrix(rows: shape.rows, columns: shape.width)
        for index in rows.values.indices { rows.values[index] += 2 }
        let found = try PrincipalComponents(of: rows, count: 3, centred: centred)
        #expect(found.components.rows == 3)
        #expect(
            greatestDifference(
                product(found.components, found.components, transposing: .second).values,
                Matrix.identity(3).values) < 1e-12)
        let scores = product(rows.subtractingFromRows(found.means), found.components, transposing: .second)
        let products = product(scores, scores, transposing: .first)
        let degrees = Double(shape.rows - (centred ? 1 : 0))
        for row in 0..<3 {
            for column in 0..<3 {
                let expected = row == column ? found.variances[row] * degrees : 0
                #expect(abs(products[row, column] - expected) < 1e-9)
            }
        }
        #expect(found.variances == found.variances.sorted(by: >))
    }

    @Test func noMoreComponentsThanTheRank() throws {
        let rows = Matrix(rows: 3, columns: 4, values: [1, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0])
        #expect(try PrincipalComponents(of: rows, count: 3).components.rows == 1)
    }

    @Test func rowsMustVary() {
        #expect(throws: StatesError.noVariance(rowCount: 2)) {
            try PrincipalComponents(of: Matrix(rows: 2, columns: 3), count: 1)
        }
        #expect(throws: StatesError.tooFewRows(found: 1, expected: 2)) {
            try PrincipalComponents(of: Matrix(rows: 1, columns: 3), count: 1)
        }
    }

    @Test func thePatternRaisesTheReadingByOne() {
        var random = RandomStream(seed: 6)
        let rows = random.nextMatrix(rows: 40, columns: 7)
        let w = (0..<7).map { _ in random.nextNormal() }
        for shrinkage in [0, 0.3, 1] {
            #expect(abs(dotProduct(w, patternTransform(w, of: rows, shrinkage: shrinkage)) - 1) < 1e-12)
        }
        let plain = patternTransform(w, of: rows, shrinkage: 1)
        #expect(greatestDifference(plain, w.map { $0 / dotProduct(w, w) }) < 1e-12)
        // Σw by its definition.
        let covariance = product(rows.centred(), rows.centred(), transposing: .first)
        let moved = product(covariance, w)
        let expected = moved.map { $0 / dotProduct(w, moved) }
        #expect(greatestDifference(patternTransform(w, of: rows), expected) < 1e-12)
        #expect(patternTransform([0, 0, 0, 0, 0, 0, 0], of: rows).allSatisfy { $0 == 0 })
    }
}
