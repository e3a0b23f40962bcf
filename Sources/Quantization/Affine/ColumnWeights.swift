// SPDX-License-Identifier: Apache-2.0
// The weights of the squared error, one per column (the importance matrix, imatrix), made safe for sums in Float.

/// Positive weights with mean about 1.
struct ColumnWeights: ~Copyable {
    /// [columns].
    let values: UnsafeMutablePointer<Float>

    /// A column without calibration data still gets a millionth of the mean: no group's sum is zero, and its weights are
    /// stored as accurately as is possible at no cost to other columns.
    init(_ importance: UnsafePointer<Float>?, columns: Int) throws(QuantizationFailure) {
        var mean = 0.0
        if let importance {
            for column in 0..<columns {
                guard importance[column].isFinite, importance[column] >= 0 else {
                    throw .invalidImportance(column: column, value: "\(importance[column])")
                }
                mean += Double(importance[column])
            }
            mean /= Double(columns)
        }
        values = .allocate(capacity: columns)
        guard let importance, mean > 0 else {
            values.initialize(repeating: 1, count: columns)
            return
        }
        for column in 0..<columns {
            (values + column).initialize(to: Float(max(1e-6, Double(importance[column]) / mean)))
        }
    }

    deinit { values.deallocate() }
}
