// SPDX-License-Identifier: Apache-2.0
// Units for states. Residual streams have a few massive dimensions, whose spread is up to a hundred times that of the
// others and which would dominate squared errors in raw units.

import Directions
import LinearAlgebra

/// How centred columns are scaled.
package enum Standardization: String, CaseIterable, Sendable {
    /// One factor for all columns: the mean variance becomes 1, and ratios between columns stay.
    case common
    /// As `common`, but a column whose spread exceeds five times the median spread is scaled down to that limit. Ratios
    /// between all other columns stay, and so does the model's own emphasis.
    case massive
    /// Scales every column to variance 1, which amplifies columns that hardly vary.
    case columns
}

/// (h − means) / scales, column by column.
package struct ColumnScaling: Sendable, Equatable {
    /// [width]; scales are positive.
    package let means, scales: [Double]

    static let massiveRatio = 5.0
    /// Columns whose spread is below this share of the median count as constant.
    static let constantRatio = 1e-6

    /// - Throws: `StatesError.noVariance` if all rows are equal.
    package init(of states: Matrix, by rule: Standardization) throws(StatesError) {
        means = states.columnMeans
        let deviations = Self.deviations(of: states, means: means)
        let varying = deviations.filter { $0 > 0 }.sorted()
        guard !varying.isEmpty else { throw .noVariance(rowCount: states.rows) }
        let median = varying[varying.count / 2]
        let relative: [Double]
        switch rule {
        case .common: relative = deviations.map { _ in 1 }
        case .massive: relative = deviations.map { max(1, $0 / (Self.massiveRatio * median)) }
        case .columns: relative = deviations.map { $0 > Self.constantRatio * median ? $0 : median }
        }
        let squares = zip(deviations, relative).reduce(0) { $0 + ($1.0 / $1.1) * ($1.0 / $1.1) }
        let common = (squares / Double(states.columns)).squareRoot()
        scales = relative.map { $0 * common }
    }

    /// Means of 0 and scales of 1.
    init(width: Int) {
        means = [Double](repeating: 0, count: width)
        scales = [Double](repeating: 1, count: width)
    }

    package func apply(to states: Matrix) -> Matrix {
        states.subtractingFromRows(means).scalingColumns(scales.map { 1 / $0 })
    }

    /// Standard deviation of each column. Rounding error in a column of equal values counts as 0.
    private static func deviations(of states: Matrix, means: [Double]) -> [Double] {
        var squares = [Double](repeating: 0, count: states.columns)
        for row in 0..<states.rows {
            let offset = row * states.columns
            for column in 0..<states.columns {
                let difference = states.values[offset + column] - means[column]
                squares[column] += difference * difference
            }
        }
        return zip(squares, means).map { square, mean in
            let deviation = (square / Double(max(states.rows, 1))).squareRoot()
            return deviation > abs(mean) * 1e-13 ? deviation : 0
        }
    }
}
