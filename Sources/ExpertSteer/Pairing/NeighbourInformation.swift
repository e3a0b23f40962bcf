// SPDX-License-Identifier: Apache-2.0
// Mutual information without a model of the distribution, from distances to nearest neighbours.

import LinearAlgebra

/// The estimator of Kraskov, Stögbauer and Grassberger (arXiv cond-mat/0305641, equation 8) for two scalars, in nats:
/// ψ(k) + ψ(n) − ⟨ψ(mₓ + 1) + ψ(m_y + 1)⟩. mₓ and m_y count the points nearer than the k-th neighbour, whose distance is
/// the larger of its two coordinates' distances.
///
/// Both sides are first scaled to the same spread. The estimate may be slightly below 0 for independent values.
///
/// - Parameter neighbours: k; 3 to 6 balance bias and variance.
/// - Precondition: as many x as y, and more than `neighbours`.
package func neighbourInformation(_ x: [Double], _ y: [Double], neighbours: Int) -> Double {
    let count = x.count
    precondition(
        y.count == count && neighbours > 0 && count > neighbours, "neighbourInformation: too few points")
    let x = scaled(x), y = scaled(y)
    let sortedX = x.sorted(), sortedY = y.sorted()
    let digamma = digammaTable(upTo: count)
    var nearest = [Double](repeating: 0, count: neighbours)
    var sum = 0.0
    for point in 0..<count {
        for index in 0..<neighbours { nearest[index] = .infinity }
        for other in 0..<count where other != point {
            let distance = max(abs(x[point] - x[other]), abs(y[point] - y[other]))
            if distance >= nearest[neighbours - 1] { continue }
            var position = neighbours - 1
            while position > 0, nearest[position - 1] > distance {
                nearest[position] = nearest[position - 1]
                position -= 1
            }
            nearest[position] = distance
        }
        let radius = nearest[neighbours - 1]
        sum += digamma[max(1, countWithin(radius, of: x[point], in: sortedX))]
        sum += digamma[max(1, countWithin(radius, of: y[point], in: sortedY))]
    }
    return digamma[neighbours] + digamma[count] - sum / Double(count)
}

private func scaled(_ values: [Double]) -> [Double] {
    let mean = values.reduce(0, +) / Double(values.count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
    let factor = variance > 0 ? 1 / variance.squareRoot() : 1
    return values.map { ($0 - mean) * factor }
}

/// Counts the sorted values nearer to `centre` than `radius`; `centre` itself counts unless the radius is 0.
private func countWithin(_ radius: Double, of centre: Double, in sorted: [Double]) -> Int {
    // v − c| < r with the rounding of the distances; c − r may round to the other side.
    let first = firstIndex(in: sorted) { $0 > centre || centre - $0 < radius }
    let last = firstIndex(in: sorted) { $0 > centre && $0 - centre >= radius }
    return max(0, last - first)
}

/// The first index whose value fulfils a condition that all later values fulfil too.
private func firstIndex(in sorted: [Double], where condition: (Double) -> Bool) -> Int {
    var (low, high) = (0, sorted.count)
    while low < high {
        let middle = (low + high) / 2
        if condition(sorted[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
}

/// ψ(0…n), where ψ(m) = −γ + Σ_{i<m} 1/i; the element for 0 is unused.
private func digammaTable(upTo count: Int) -> [Double] {
    var table = [0.0, -0.577_215_664_901_532_9]
    for index in stride(from: 1, to: count, by: 1) { table.append(table[index] + 1 / Double(index)) }
    return table
}
