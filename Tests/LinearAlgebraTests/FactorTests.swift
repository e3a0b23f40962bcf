// SPDX-License-Identifier: Apache-2.0
// Every factorisation gives its matrix back; the other properties are those that define it.

import Glibc
import LinearAlgebra
import Testing

struct FactorTests {
    static let sizes = [1, 2, 5, 33, 100]
    static let shapes = [(1, 1), (1, 6), (6, 1), (5, 3), (3, 5), (33, 33), (100, 40), (40, 100)]
    /// Backward errors of LAPACK's algorithms are some n ε ‖A‖; the matrices here have norms below 500.
    static let tolerance = 1e-10

    // MARK: - Cholesky

    @Test(arguments: sizes)
    func whatCholeskySolvesIsSolved(size: Int) throws {
        let a = Matrix.positiveDefinite(size, seed: 1), b = Matrix.random(size, 3, seed: 2)
        let factor = try CholeskyFactor(of: a)
        expectEqual(referenceProduct(a, factor.solve(b)), b, within: Self.tolerance)
        let vector = factor.solve(b.column(1))
        for row in 0..<size { #expect(abs(vector[row] - factor.solve(b)[row, 1]) < Self.tolerance) }
        // L⁻¹ A L⁻ᵀ = I: the triangle whitens.
        let half = factor.solveLower(a)
        expectEqual(factor.solveLower(half.transposed), .identity(size), within: Self.tolerance)
        expectEqual(factor.solveUpper(factor.solveLower(b)), factor.solve(b), within: Self.tolerance)
    }

    @Test func theDeterminantIsThatOfTheEigenvalues() throws {
        let a = Matrix.positiveDefinite(6, seed: 8)
        let product = try SymmetricEigen(of: a).values.reduce(1, *)
        let logDeterminant = try CholeskyFactor(of: a).logDeterminant
        #expect(abs(logDeterminant - log(product)) < Self.tolerance)
        #expect(try CholeskyFactor(of: .diagonal([2, 0.5])).logDeterminant.magnitude < 1e-15)
    }

    @Test func whatIsNotPositiveDefiniteHasNoFactor() {
        for matrix in [Matrix.diagonal([1, -1, 1]), .diagonal([0]), Matrix(rows: 2, columns: 2)] {
            let error = #expect(throws: LinearAlgebraError.self) { try CholeskyFactor(of: matrix) }
            #expect(error?.reason == .notPositiveDefinite)
        }
        let error = #expect(throws: LinearAlgebraError.self) {
            try CholeskyFactor(of: .diagonal([1, 1, -1, 1]))
        }
        #expect(error?.description.contains("first 3 rows") == true)
    }

    // MARK: - Eigenvalues

    @Test(arguments: sizes)
    func eigenvectorsRebuildTheirMatrix(size: Int) throws {
        let b = Matrix.random(size, size, seed: 3)
        let a = referenceProduct(b, .diagonal(b.column(0)))
        let symmetric = Matrix(
            rows: size, columns: size, values: zip(a.values, a.transposed.values).map { $0 + $1 })
        let eigen = try SymmetricEigen(of: symmetric)
        let rebuilt = referenceProduct(eigen.vectors.scalingColumns(eigen.values), eigen.vectors.transposed)
        expectEqual(rebuilt, symmetric, within: Self.tolerance)
        expectEqual(
            referenceProduct(eigen.vectors.transposed, eigen.vectors), .identity(size), within: Self.tolerance
        )
        #expect(eigen.values == eigen.values.sorted(by: >))
    }

    @Test(arguments: [(1, 1), (5, 2), (33, 33), (100, 7)])
    func theLargestEigenvaluesAreTheFirstOfAll(size: Int, count: Int) throws {
        let a = Matrix.positiveDefinite(size, seed: 4)
        let all = try SymmetricEigen(of: a), some = try SymmetricEigen(of: a, largest: count)
        #expect(some.values.count == count)
        for (one, other) in zip(some.values, all.values) { #expect(abs(one - other) < Self.tolerance) }
        // Gaps of random matrices are some 1e-3 of the norm, which multiplies the error of the vectors.
        expectEqual(some.vectors, all.vectors.leadingColumns(count), within: 1e-7)
    }

    @Test func knownEigenvaluesAreFound() throws {
        let eigen = try SymmetricEigen(of: Matrix(rows: 2, columns: 2, values: [2, 1, 1, 2]))
        let half = 0.5.squareRoot()
        for (found, expected) in zip(eigen.values, [3.0, 1]) { #expect(abs(found - expected) < 1e-14) }
        for (found, expected) in zip(eigen.vectors.column(0), [half, half]) {
            #expect(abs(found - expected) < 1e-14)
        }
    }

    // MARK: - Singular values

    @Test(arguments: shapes, SingularValues.Method.allCases)
    func singularVectorsRebuildTheirMatrix(shape: (Int, Int), method: SingularValues.Method) throws {
        let (rows, columns) = shape
        let a = Matrix.random(rows, columns, seed: 5), count = min(rows, columns)
        let parts = try SingularValues(of: a, by: [method])
        let rebuilt = referenceProduct(parts.left.scalingColumns(parts.values), parts.rightTransposed)
        expectEqual(rebuilt, a, within: Self.tolerance)
        expectEqual(
            referenceProduct(parts.left.transposed, parts.left), .identity(count), within: Self.tolerance)
        expectEqual(
            referenceProduct(parts.rightTransposed, parts.rightTransposed.transposed), .identity(count),
            within: Self.tolerance)
        #expect(parts.values == parts.values.sorted(by: >) && parts.values.allSatisfy { $0 >= 0 })
    }

    @Test func aMatrixOfRankOneHasOneSingularValue() throws {
        let a = referenceProduct(
            Matrix(rows: 3, columns: 1, values: [1, 2, 2]), Matrix(rows: 1, columns: 2, values: [3, 4]))
        let values = try SingularValues(of: a).values
        #expect(abs(values[0] - 15) < 1e-13 && values[1] < 1e-13)
    }

    // MARK: - All

    @Test func signsFollowTheLargestComponent() throws {
        let a = Matrix.positiveDefinite(20, seed: 6)
        let eigen = try SymmetricEigen(of: a), parts = try SingularValues(of: a)
        for vector in (0..<20).flatMap({ [eigen.vectors.column($0), Array(parts.rightTransposed.row($0))] }) {
            let largest = vector.max { abs($0) < abs($1) }
            #expect((largest ?? 0) > 0)
        }
    }

    @Test func emptyMatricesHaveEmptyFactors() throws {
        let empty = Matrix(rows: 0, columns: 0)
        #expect(try CholeskyFactor(of: empty).solve(empty) == empty)
        #expect(try SymmetricEigen(of: empty).values.isEmpty)
        let parts = try SingularValues(of: Matrix(rows: 3, columns: 0))
        #expect(parts.values.isEmpty && parts.left.rows == 3 && parts.rightTransposed.rows == 0)
    }

    @Test(arguments: [Double.nan, .infinity])
    func noFactorsWithoutFiniteNumbers(value: Double) {
        var matrix = Matrix.identity(4)
        matrix[2, 1] = value
        let attempts: [() throws -> Void] = [
            { _ = try CholeskyFactor(of: matrix) }, { _ = try SymmetricEigen(of: matrix) },
            { _ = try SymmetricEigen(of: matrix, largest: 1) }, { _ = try SingularValues(of: matrix) },
        ]
        for attempt in attempts {
            let error = #expect(throws: LinearAlgebraError.self) { try attempt() }
            #expect(error?.reason == .notFinite)
            #expect(error?.description.contains("row 2, column 1") == true)
        }
    }
}
