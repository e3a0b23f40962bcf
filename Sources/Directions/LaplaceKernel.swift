// SPDX-License-Identifier: Apache-2.0
// The Laplace kernel exp(−D / b) on a set of rows, computed from their inner products in any metric.

import Glibc
import LinearAlgebra

/// Distances between rows, and a bandwidth chosen from them.
struct LaplaceKernel {
    /// b: a multiple of the median distance between distinct rows.
    let bandwidth: Double
    /// D [n × n], exactly symmetric, zeros on the diagonal.
    let distances: Matrix

    /// - Parameters:
    ///   - products: zᵢ·zⱼ, [n × n].
    ///   - factor: bandwidth in units of the median distance.
    /// - Returns: nil where all rows are equal.
    init?(products: Matrix, factor: Double) {
        let count = products.rows
        var distances = Matrix(rows: count, columns: count)
        var different: [Double] = []
        different.reserveCapacity(count * (count - 1) / 2)
        let squares = (0..<count).map { products[$0, $0] }
        for row in 0..<count {
            for column in 0..<row {
                let distance = distanceBetween(
                    squares[row], squares[column], product: products.values[row * count + column])
                distances.values[row * count + column] = distance
                distances.values[column * count + row] = distance
                different.append(distance)
            }
        }
        guard different.contains(where: { $0 > 0 }) else { return nil }
        let median = lowerMedian(different)
        // If more than half of all pairs of rows are equal, the mean still measures how far apart the others are.
        let mean = different.reduce(0, +) / Double(different.count)
        bandwidth = factor * (median > 0 ? median : mean)
        self.distances = distances
    }

    /// exp(−D / b) for distances to the rows, of any shape.
    func values(_ distances: Matrix) -> Matrix {
        let scale = -1 / bandwidth
        return Matrix(
            rows: distances.rows, columns: distances.columns, values: distances.values.map { exp($0 * scale) }
        )
    }

    /// Gradients of f(x) = Σⱼ aⱼ exp(−|x − xⱼ| / b) in the metric M: −(1/b) Σⱼ aⱼ Kᵢⱼ / Dᵢⱼ · M (xᵢ − xⱼ), without the
    /// term at a row itself, where the kernel has a kink.
    ///
    /// - Parameters:
    ///   - weights: a, one per row of the kernel.
    ///   - distances: from the points to the rows, [points × rows].
    ///   - points: M xᵢ, [points × width].
    ///   - rows: M xⱼ, [rows × width].
    /// - Returns: [points × width].
    func gradients(weights: [Double], distances: Matrix, points: Matrix, rows: Matrix) -> Matrix {
        var coefficients = values(distances)
        let width = coefficients.columns
        var sums = [Double](repeating: 0, count: coefficients.rows)
        for point in 0..<coefficients.rows {
            var sum = 0.0
            for row in 0..<width {
                let index = point * width + row, distance = distances.values[index]
                let value = distance == 0 ? 0 : weights[row] * coefficients.values[index] / distance
                coefficients.values[index] = value
                sum += value
            }
            sums[point] = sum
        }
        var result = product(coefficients, rows)
        let scale = 1 / bandwidth
        for point in 0..<result.rows {
            for column in 0..<result.columns {
                let index = point * result.columns + column
                result.values[index] = scale * (result.values[index] - sums[point] * points.values[index])
            }
        }
        return result
    }
}

/// x − y| from |x|², |y|² and x·y: 0 where the difference is only rounding error, as between a point and itself.
func distanceBetween(_ squareX: Double, _ squareY: Double, product: Double) -> Double {
    let square = squareX + squareY - 2 * product
    return square > 1e-14 * (squareX + squareY) ? square.squareRoot() : 0
}

/// The median, or the lower of the two middle elements (Hoare's selection).
func lowerMedian(_ values: [Double]) -> Double {
    var values = values
    var (low, high) = (0, values.count - 1)
    let wanted = (values.count - 1) / 2
    while low < high {
        let pivot = values[low + (high - low) / 2]
        var (left, right) = (low, high)
        while left <= right {
            while values[left] < pivot { left += 1 }
            while values[right] > pivot { right -= 1 }
            guard left <= right else { break }
            values.swapAt(left, right)
            left += 1
            right -= 1
        }
        if wanted <= right {
            high = right
        } else if wanted >= left {
            low = left
        } else {
            break
        }
    }
    return values[wanted]
}
