// SPDX-License-Identifier: Apache-2.0
// Defects of activations that were captured, harvested or labelled elsewhere.

import LinearAlgebra

/// Why nothing can be learned from states. The description is a complete clause; the caller adds the file and the layer.
package enum StatesError: Error, Equatable, CustomStringConvertible {
    /// Every row has the same label.
    case oneClass(rowCount: Int)
    case tooFewRows(found: Int, expected: Int)
    case tooFewPairs(found: Int, expected: Int)
    case tooFewTexts(found: Int, expected: Int)
    /// All rows are equal.
    case noVariance(rowCount: Int)
    /// Rows vary, but not with the label.
    case noContrast
    case notFinite(row: Int, column: Int, value: Double)
    /// A factorization failed, or its library is missing.
    case unsolvable(LinearAlgebraError)

    package var description: String {
        switch self {
        case .oneClass(let count):
            "all \(count) rows have the same label, expected rows of two classes"
        case .tooFewRows(let found, let expected):
            "there are \(found) usable rows, expected at least \(expected)"
        case .tooFewPairs(let found, let expected):
            "there are \(found) pairs, expected at least \(expected)"
        case .tooFewTexts(let found, let expected):
            "there are \(found) distinct texts, expected at least \(expected)"
        case .noVariance(let count):
            "all \(count) rows are the same; there is nothing to tell apart"
        case .noContrast:
            "the rows do not differ between the classes; there is nothing to learn"
        case .notFinite(let row, let column, let value):
            "the activation in row \(row), column \(column) is \(value), expected a finite number"
        case .unsolvable(let error):
            error.description
        }
    }
}

/// Runs linear algebra; its errors become `StatesError.unsolvable`.
package func solving<Result>(_ body: () throws(LinearAlgebraError) -> Result) throws(StatesError) -> Result {
    do { return try body() } catch { throw .unsolvable(error) }
}

extension Matrix {
    /// - Throws: `StatesError.notFinite` for the first element that is infinite or NaN.
    package func requireFiniteStates() throws(StatesError) {
        guard let index = values.firstIndex(where: { !$0.isFinite }) else { return }
        throw .notFinite(row: index / columns, column: index % columns, value: values[index])
    }
}
