// SPDX-License-Identifier: Apache-2.0
// The probe's optimum, told by its own equations.

import Directions
import Glibc
import LinearAlgebra
import Testing

@Suite struct LogisticProbeTests {
    init() throws { try LinearAlgebra.load() }

    /// More rows than columns, and fewer.
    @Test(arguments: [(200, 12), (30, 80)], [1e-4, 1e-2, 1])
    func theGradientVanishesAtTheOptimum(shape: (rows: Int, width: Int), penalty: Double) throws {
        let planted = try PlantedRows(.anisotropicShift, rows: shape.rows, width: shape.width, seed: 4)
        var options = LogisticProbe.Options()
        options.penalty = penalty
        let probe = try LogisticProbe(rows: planted.rows, labels: planted.labels, options: options)
        // d/dw and d/db of (1/n) Σ log(1 + exp(−y(w·x + b))) + λ/2 s² |w|², s² the rows' mean square norm.
        let centred = planted.rows.centred()
        let scale = dotProduct(centred.values, centred.values) / Double(shape.rows)
        let errors = zip(probe.logOdds(for: planted.rows), planted.labels).map { margin, label in
            -label / (1 + exp(label * margin)) / Double(shape.rows)
        }
        let slope = zip(product(centred, errors, transposing: true), probe.weights).map {
            $0 + penalty * scale * $1
        }
        // In units in which rows have norm 1.
        #expect(slope.allSatisfy { abs($0) / scale.squareRoot() < 1e-9 })
        #expect(abs(errors.reduce(0, +)) < 1e-9)
    }

    @Test func weightsAreInTheRowsOwnUnits() throws {
        let planted = try PlantedRows(.classShift, rows: 100, width: 5, seed: 2)
        let probe = try LogisticProbe(rows: planted.rows, labels: planted.labels)
        // The same rows ten times as large and moved.
        var other = planted.rows
        for index in other.values.indices { other.values[index] = 10 * other.values[index] + 3 }
        let moved = try LogisticProbe(rows: other, labels: planted.labels)
        #expect(greatestDifference(probe.weights, moved.weights.map { 10 * $0 }) < 1e-9)
        #expect(greatestDifference(probe.logOdds(for: planted.rows), moved.logOdds(for: other)) < 1e-8)
    }

    @Test func separableRowsHaveAnOptimumToo() throws {
        let rows = Matrix(rows: 4, columns: 2, values: [1, 0, 2, 0.5, -1, 0, -2, 0.25])
        var options = LogisticProbe.Options()
        options.penalty = 1e-8
        let probe = try LogisticProbe(rows: rows, labels: [1, 1, -1, -1], options: options)
        #expect(zip(probe.logOdds(for: rows), [1.0, 1, -1, -1]).allSatisfy { $0 * $1 > 5 && $0.isFinite })
    }

    @Test func oneClassIsRefused() {
        #expect(throws: StatesError.oneClass(rowCount: 3)) {
            try LogisticProbe(rows: Matrix(rows: 3, columns: 2), labels: [1, 1, 1])
        }
        #expect(throws: StatesError.noVariance(rowCount: 3)) {
            try LogisticProbe(rows: Matrix(rows: 3, columns: 2), labels: [1, -1, 1])
        }
    }
}
