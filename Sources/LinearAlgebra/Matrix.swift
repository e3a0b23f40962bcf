// SPDX-License-Identifier: Apache-2.0
// A matrix of float64 values, row-major.

/// values[row · columns + column]; either size may be 0.
package struct Matrix: Sendable, Equatable {
    package let rows, columns: Int
    /// [rows × columns], row-major.
    package var values: [Double]

    /// Creates a matrix of zeros.
    package init(rows: Int, columns: Int) {
        precondition(rows >= 0 && columns >= 0, "Matrix: negative size")
        self.init(rows: rows, columns: columns, values: [Double](repeating: 0, count: rows * columns))
    }

    /// - Precondition: there are rows · columns values.
    package init(rows: Int, columns: Int, values: [Double]) {
        precondition(rows >= 0 && columns >= 0, "Matrix: negative size")
        precondition(
            values.count == rows * columns, "Matrix: \(values.count) values for \(rows) × \(columns)")
        self.rows = rows
        self.columns = columns
        self.values = values
    }

    package static func identity(_ size: Int) -> Matrix {
        var result = Matrix(rows: size, columns: size)
        for index in 0..<size { result[index, index] = 1 }
        return result
    }

    package subscript(row: Int, column: Int) -> Double {
        get {
            precondition(column >= 0 && column < columns, "Matrix: no such column")
            return values[row * columns + column]
        }
        set {
            precondition(column >= 0 && column < columns, "Matrix: no such column")
            values[row * columns + column] = newValue
        }
    }

    /// A row as a slice, whose indices begin at index · columns.
    package func row(_ index: Int) -> ArraySlice<Double> { values[index * columns..<(index + 1) * columns] }

    package func column(_ index: Int) -> [Double] { (0..<rows).map { self[$0, index] } }

    package var isSquare: Bool { rows == columns }

    /// Whether no element is infinite or NaN.
    package var isFinite: Bool {
        // 0 · x is 0 for every finite x, and this sum needs no branch per element.
        values.reduce(0) { $0 + 0 * $1 } == 0
    }

    package var transposed: Matrix {
        var result = [Double](repeating: 0, count: values.count)
        // Tiles limit the long strides on either side.
        let tile = 32
        for firstRow in stride(from: 0, to: rows, by: tile) {
            for firstColumn in stride(from: 0, to: columns, by: tile) {
                for row in firstRow..<min(firstRow + tile, rows) {
                    for column in firstColumn..<min(firstColumn + tile, columns) {
                        result[column * rows + row] = values[row * columns + column]
                    }
                }
            }
        }
        return Matrix(rows: columns, columns: rows, values: result)
    }

    /// [columns]; zeros if there are no rows.
    package var columnMeans: [Double] {
        var sums = [Double](repeating: 0, count: columns)
        for row in 0..<rows {
            for column in 0..<columns { sums[column] += values[row * columns + column] }
        }
        return rows == 0 ? sums : sums.map { $0 / Double(rows) }
    }

    /// The matrix with each column's mean subtracted.
    package func centred() -> Matrix { subtractingFromRows(columnMeans) }

    /// The matrix with `vector` [columns] subtracted from each row.
    package func subtractingFromRows(_ vector: [Double]) -> Matrix {
        precondition(vector.count == columns, "Matrix: a vector of \(vector.count) for \(columns) columns")
        var result = self
        for row in 0..<rows {
            for column in 0..<columns { result.values[row * columns + column] -= vector[column] }
        }
        return result
    }

    /// The matrix with column j multiplied by `factors[j]`: A diag(factors).
    package func scalingColumns(_ factors: [Double]) -> Matrix {
        precondition(factors.count == columns, "Matrix: \(factors.count) factors for \(columns) columns")
        var result = self
        for row in 0..<rows {
            for column in 0..<columns { result.values[row * columns + column] *= factors[column] }
        }
        return result
    }

    /// A + number · I.
    /// - Precondition: the matrix is square.
    package func addingToDiagonal(_ number: Double) -> Matrix {
        precondition(isSquare, "Matrix: no diagonal in \(rows) × \(columns)")
        var result = self
        for index in 0..<rows { result.values[index * columns + index] += number }
        return result
    }

    /// The given rows in the given order; an index may repeat.
    package func selectingRows(_ indices: [Int]) -> Matrix {
        var selected: [Double] = []
        selected.reserveCapacity(indices.count * columns)
        for index in indices { selected += row(index) }
        return Matrix(rows: indices.count, columns: columns, values: selected)
    }

    /// The first `count` columns.
    package func leadingColumns(_ count: Int) -> Matrix {
        precondition(count >= 0 && count <= columns, "Matrix: \(count) of \(columns) columns")
        var selected: [Double] = []
        selected.reserveCapacity(rows * count)
        for index in 0..<rows { selected += row(index).prefix(count) }
        return Matrix(rows: rows, columns: count, values: selected)
    }
}
