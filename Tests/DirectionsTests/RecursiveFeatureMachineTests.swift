// SPDX-License-Identifier: Apache-2.0
// Recursive Feature Machines against a reference in plain loops, finite differences, and planted directions.

import Directions
import Glibc
import LinearAlgebra
import TestSupport
import Testing

@Suite struct RecursiveFeatureMachineTests {
    typealias Machine = RecursiveFeatureMachine

    init() throws { try LinearAlgebra.load() }

    private func fit(_ rows: PlantedRows, _ change: (inout Machine.Options) -> Void = { _ in }) throws
        -> Machine
    {
        var options = Machine.Options()
        change(&options)
        return try Machine(rows: rows.rows, labels: rows.labels, options: options)
    }

    @Test(arguments: PlantedProblem.allCases)
    func findsAPlantedDirection(problem: PlantedProblem) throws {
        let planted = try PlantedRows(problem, rows: 2000, width: 64, seed: 5)
        let feature = try fit(planted).feature()
        #expect(cosineOf(feature.direction, planted.direction) > 0.9)
        // One direction is planted, and one is found.
        #expect(feature.spectrum.gap > 2)
        #expect(feature.spectrum.dominance > 0.3 && feature.spectrum.participationRatio < 10)
    }

    @Test(arguments: [(60, 24), (24, 60)], [false, true])
    func bothFormsAreTheSame(shape: (rows: Int, width: Int), centres: Bool) throws {
        let planted = try PlantedRows(.classShift, rows: shape.rows, width: shape.width, seed: 3)
        let new = try PlantedRows(.classShift, rows: 30, width: shape.width, seed: 4).rows
        let machines = try Machine.Form.allCases.map { form in
            try fit(planted) {
                $0.form = form
                $0.centresGradients = centres
            }
        }
        let features = try machines.map { try $0.feature() }
        #expect(greatestDifference(features[0].direction, features[1].direction) < 1e-10)
        #expect(abs(features[0].spectrum.dominance - features[1].spectrum.dominance) < 1e-10)
        #expect(
            greatestDifference(machines[0].predictions(for: new), machines[1].predictions(for: new)) < 1e-10)
    }

    /// The algorithm as published, M and all, in loops.
    @Test(arguments: [(14, 5), (8, 20)], [true, false])
    func agreesWithPlainLoops(shape: (rows: Int, width: Int), normalizes: Bool) throws {
        let planted = try PlantedRows(.anisotropicShift, rows: shape.rows, width: shape.width, seed: 8)
        let machine = try fit(planted) { $0.normalizesRows = normalizes }
        let x = machine.preparation.apply(to: planted.rows)
        let reference = ReferenceMachine(x: (0..<x.rows).map { Array(x.row($0)) }, labels: planted.labels)
        let found = machine.values(at: x)
        #expect(greatestDifference(found, reference.predictions) < 1e-9)
        // M v = λ₁ v.
        let v = try machine.feature().direction
        let moved = reference.metric.map { dotProduct($0, v) }
        let eigenvalue = dotProduct(moved, v)
        let trace = reference.metric.indices.reduce(0.0) { $0 + reference.metric[$1][$1] }
        #expect(greatestDifference(moved, v.map { $0 * eigenvalue }) < 1e-7 * trace)
        #expect(try abs(machine.feature().spectrum.dominance - eigenvalue / trace) < 1e-9)
    }

    @Test(arguments: Machine.Form.allCases)
    func gradientsAreThoseOfThePredictor(form: Machine.Form) throws {
        let planted = try PlantedRows(.linear, rows: 40, width: 12, seed: 2)
        let machine = try fit(planted) { $0.form = form }
        let new = try PlantedRows(.linear, rows: 3, width: 12, seed: 9)
        // At new points, and at the rows themselves: the kink there is symmetric.
        for source in [new.rows, planted.rows.selectingRows([0, 7])] {
            let points = machine.preparation.apply(to: source)
            let gradients = machine.gradients(at: points)
            let step = 1e-4
            for point in 0..<points.rows {
                for column in 0..<points.columns {
                    var moved = Matrix(rows: 2, columns: points.columns)
                    for (row, sign) in [1.0, -1.0].enumerated() {
                        for other in 0..<points.columns { moved[row, other] = points[point, other] }
                        moved[row, column] += sign * step
                    }
                    let values = machine.values(at: moved)
                    let difference = (values[0] - values[1]) / (2 * step)
                    #expect(abs(difference - gradients[point, column]) < 1e-6)
                }
            }
        }
    }

    @Test func predictsRowsThatItHasNotSeen() throws {
        let planted = try PlantedRows(.classShift, rows: 1000, width: 16, seed: 6)
        let machine = try Machine(
            rows: planted.rows.selectingRows(Array(0..<500)), labels: Array(planted.labels[..<500]))
        let rest = Array(500..<1000)
        let auc = areaUnderCurve(
            machine.predictions(for: planted.rows.selectingRows(rest)),
            labels: rest.map { planted.labels[$0] })
        // The best possible reader, u·x, has Φ(2/√2) = 0.921; a kernel that nearly interpolates reads some noise too.
        #expect(auc > 0.8 && auc < 0.95)
    }

    @Test func exchangingTheClassesTurnsTheDirection() throws {
        let planted = try PlantedRows(.classShift, rows: 50, width: 20, seed: 1)
        let turned = try Machine(rows: planted.rows, labels: planted.labels.map { -$0 }).feature().direction
        #expect(greatestDifference(try fit(planted).feature().direction, turned.map { -$0 }) < 1e-12)
    }

    @Test func doubledRowsDoNoHarm() throws {
        let planted = try PlantedRows(.classShift, rows: 60, width: 10, seed: 7)
        // More than half of all distances are zero.
        let rows = planted.rows.selectingRows((0..<60).map { $0 < 50 ? $0 % 2 : $0 })
        let labels = (0..<60).map { planted.labels[$0 < 50 ? $0 % 2 : $0] }
        let direction = try Machine(rows: rows, labels: labels).feature().direction
        #expect(direction.allSatisfy(\.isFinite) && abs(dotProduct(direction, direction) - 1) < 1e-9)
    }

    // MARK: - Refusals

    private func refusal(_ rows: Matrix, _ labels: [Double]) -> StatesError? {
        do {
            _ = try Machine(rows: rows, labels: labels).feature()
            return nil
        } catch { return error }
    }

    @Test func refusesWhatTeachesNothing() throws {
        let planted = try PlantedRows(.classShift, rows: 8, width: 3, seed: 1)
        let ones = [Double](repeating: 1, count: 8)
        #expect(refusal(planted.rows, ones) == .oneClass(rowCount: 8))
        #expect(
            refusal(planted.rows, [1] + ones.dropFirst().map { -$0 }) == .tooFewRows(found: 2, expected: 4))
        #expect(
            refusal(planted.rows.selectingRows([0, 1]), [1, -1]) == .tooFewRows(found: 2, expected: 4))
        #expect(
            refusal(planted.rows.selectingRows([0, 0, 0, 0]), [1, -1, 1, -1]) == .noVariance(rowCount: 4))
        // Every row once in either class.
        let twice = planted.rows.selectingRows([0, 0, 1, 1, 2, 2, 3, 3])
        #expect(refusal(twice, planted.labels) == .noContrast)
        for value in [Double.nan, .infinity, -.infinity] {
            var rows = planted.rows
            rows[5, 2] = value
            let error = try #require(refusal(rows, planted.labels))
            #expect("\(error)".contains("row 5, column 2 is \(value)"))
        }
    }
}

/// Kernel ridge regression and M = Σ ∇f ∇fᵀ / n, eight times, then the predictor.
private struct ReferenceMachine {
    var metric: [[Double]]
    var predictions: [Double] = []

    init(x: [[Double]], labels: [Double]) {
        let (count, width) = (x.count, x[0].count)
        let mean = labels.reduce(0, +) / Double(count)
        metric = (0..<width).map { row in (0..<width).map { $0 == row ? 1 : 0 } }
        for iteration in 0...8 {
            func moved(_ i: Int, _ j: Int) -> [Double] {
                let difference = zip(x[i], x[j]).map { $0 - $1 }
                return metric.map { dotProduct($0, difference) }
            }
            var distances = [[Double]](repeating: [Double](repeating: 0, count: count), count: count)
            var apart: [Double] = []
            for i in 0..<count {
                for j in 0..<count where i != j {
                    distances[i][j] = max(dotProduct(moved(i, j), zip(x[i], x[j]).map { $0 - $1 }), 0)
                        .squareRoot()
                    apart.append(distances[i][j])
                }
            }
            let bandwidth = apart.sorted()[(apart.count - 1) / 2]
            let kernel = distances.map { $0.map { exp(-$0 / bandwidth) } }
            let weights = Self.solve(kernel, labels.map { $0 - mean })
            predictions = kernel.map { dotProduct($0, weights) + mean }
            guard iteration < 8 else { return }
            var next = metric.map { $0.map { _ in 0.0 } }
            for i in 0..<count {
                var gradient = [Double](repeating: 0, count: width)
                for j in 0..<count where i != j {
                    let scale = -weights[j] * kernel[i][j] / (bandwidth * distances[i][j])
                    gradient = zip(gradient, moved(i, j)).map { $0 + scale * $1 }
                }
                for a in 0..<width {
                    for b in 0..<width { next[a][b] += gradient[a] * gradient[b] / Double(count) }
                }
            }
            metric = next
        }
    }

    /// (K + 10⁻³ I)⁻¹ y by elimination.
    private static func solve(_ kernel: [[Double]], _ y: [Double]) -> [Double] {
        var system = zip(kernel, y).map { $0 + [$1] }
        let count = y.count
        for i in 0..<count { system[i][i] += 1e-3 }
        for pivot in 0..<count {
            for row in 0..<count where row != pivot {
                let factor = system[row][pivot] / system[pivot][pivot]
                for column in pivot...count { system[row][column] -= factor * system[pivot][column] }
            }
        }
        return (0..<count).map { system[$0][count] / system[$0][$0] }
    }
}
