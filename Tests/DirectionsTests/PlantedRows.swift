// SPDX-License-Identifier: Apache-2.0
// Labelled rows that depend on one known direction.

import Directions
import LinearAlgebra

/// How labels and rows depend on the direction u.
enum PlantedProblem: String, CaseIterable, Sendable {
    /// x = normal + y u.
    case classShift
    /// y = sign(u·x) for normal x.
    case linear
    /// x = noise + y u, with noise that is five times as large along four random axes: as in models, where rows differ
    /// most has nothing to do with the labels.
    case anisotropicShift
}

struct PlantedRows {
    let rows: Matrix
    /// ±1 in turns for shifts; as they fall for `linear`.
    let labels: [Double]
    /// Unit vector.
    let direction: [Double]

    init(_ problem: PlantedProblem, rows count: Int, width: Int, seed: UInt64) throws {
        var random = RandomStream(seed: seed)
        let unscaled = (0..<width).map { _ in random.nextNormal() }
        let norm = dotProduct(unscaled, unscaled).squareRoot()
        let direction = unscaled.map { $0 / norm }
        var rows = random.nextMatrix(rows: count, columns: width)
        var labels: [Double] = (0..<count).map { $0 % 2 == 0 ? 1 : -1 }
        if problem == .anisotropicShift {
            let deviations = (0..<width).map { $0 < 4 ? 5.0 : 1 }
            rows = product(rows.scalingColumns(deviations), try random.nextRotation(size: width))
        }
        if problem == .linear {
            labels = product(rows, direction).map { $0 > 0 ? 1 : -1 }
        } else {
            for row in 0..<count {
                for column in 0..<width { rows[row, column] += labels[row] * direction[column] }
            }
        }
        (self.rows, self.labels, self.direction) = (rows, labels, direction)
    }
}

/// The largest difference between elements of two lists.
func greatestDifference(_ x: [Double], _ y: [Double]) -> Double {
    precondition(x.count == y.count, "lists of \(x.count) and \(y.count) elements")
    return zip(x, y).reduce(0) { max($0, abs($1.0 - $1.1)) }
}

func cosineOf(_ a: [Double], _ b: [Double]) -> Double {
    dotProduct(a, b) / (dotProduct(a, a) * dotProduct(b, b)).squareRoot()
}
