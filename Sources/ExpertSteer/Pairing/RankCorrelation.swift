// SPDX-License-Identifier: Apache-2.0
// Correlation of two series, by value and by rank.

import LinearAlgebra

/// Pearson's correlation; 0 where one side does not vary.
package func pearsonCorrelation(_ x: [Double], _ y: [Double]) -> Double {
    let a = Matrix(rows: x.count, columns: 1, values: x).centred().values
    let b = Matrix(rows: y.count, columns: 1, values: y).centred().values
    let lengths = (dotProduct(a, a) * dotProduct(b, b)).squareRoot()
    return lengths > 0 ? dotProduct(a, b) / lengths : 0
}

/// Spearman's correlation: Pearson's of the ranks, where equal values share their mean rank.
package func rankCorrelation(_ x: [Double], _ y: [Double]) -> Double {
    pearsonCorrelation(ranks(of: x), ranks(of: y))
}

private func ranks(of values: [Double]) -> [Double] {
    let order = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    var result = [Double](repeating: 0, count: values.count)
    var start = 0
    while start < order.count {
        var end = start + 1
        while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
        for index in order[start..<end] { result[index] = Double(start + end - 1) / 2 }
        start = end
    }
    return result
}
