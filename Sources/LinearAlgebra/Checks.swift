// SPDX-License-Identifier: Apache-2.0
// Checks that calls of LAPACK share: inputs before, the status after, and the rule for signs.

/// - Throws: `.notConverged` for a status of LAPACK other than 0.
func requireConverged(_ status: Int32, _ what: @autoclosure () -> String) throws(LinearAlgebraError) {
    guard status == 0 else {
        throw LinearAlgebraError(.notConverged, "\(what()) were not found: LAPACK's status is \(status)")
    }
}

extension Matrix {
    /// LAPACK may loop forever on NaN.
    ///
    /// - Throws: `.notFinite` with the position of the first non-finite element.
    func requireFinite() throws(LinearAlgebraError) {
        guard !isFinite else { return }
        let index = values.firstIndex { !$0.isFinite } ?? 0
        throw LinearAlgebraError(
            .notFinite,
            "row \(index / columns), column \(index % columns) of a matrix of \(rows) × \(columns) is \(values[index]), not a finite number"
        )
    }

    mutating func negateRow(_ index: Int) {
        for position in index * columns..<(index + 1) * columns { values[position] = -values[position] }
    }
}

extension ArraySlice<Double> {
    /// Whether the first of the components of largest magnitude is negative.
    var largestIsNegative: Bool {
        var largest = 0.0
        for value in self where abs(value) > abs(largest) { largest = value }
        return largest < 0
    }
}
