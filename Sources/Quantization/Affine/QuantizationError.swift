// SPDX-License-Identifier: Apache-2.0
// Statistics of quantization error that add up over rows, tiles, tensors and threads, and the reasons to refuse weights.

/// Sums of w and of its error w − ŵ over any number of weights.
package struct QuantizationError: Sendable, Equatable {
    /// The number of weights.
    package private(set) var count = 0
    /// Σ (w − ŵ)².
    package private(set) var squaredError = 0.0
    /// Σ w².
    package private(set) var squaredSum = 0.0
    /// max |w − ŵ|.
    package private(set) var maximumError = 0.0
    /// Weights beyond the encoding's range that were stored as the nearest value in it.
    package private(set) var clippedCount = 0

    package init() {}

    /// √(Σ (w − ŵ)² / Σ w²); 0 when both sums are 0.
    package var relativeRMS: Double { squaredError == 0 ? 0 : (squaredError / squaredSum).squareRoot() }

    /// Adds the weights [count] and their reconstruction [count].
    package mutating func add(_ weights: UnsafePointer<Float>, _ decoded: UnsafePointer<Float>, count: Int) {
        var errors = SIMD4<Double>()
        var sums = SIMD4<Double>()
        var largest = SIMD4<Double>()
        var index = 0
        while index &+ 4 <= count {
            let weight = doubles(weights + index)
            let difference = weight - doubles(decoded + index)
            errors += difference * difference
            sums += weight * weight
            let magnitude = difference.replacing(with: -difference, where: difference .< 0)
            largest.replace(with: magnitude, where: magnitude .> largest)
            index &+= 4
        }
        while index < count {
            let difference = Double(weights[index]) - Double(decoded[index])
            errors[0] += difference * difference
            sums[0] += Double(weights[index]) * Double(weights[index])
            largest[0] = max(largest[0], abs(difference))
            index &+= 1
        }
        self.count += count
        squaredError += errors.sum()
        squaredSum += sums.sum()
        maximumError = max(maximumError, largest.max())
    }

    /// Adds the sums of another accumulator.
    package mutating func merge(_ other: QuantizationError) {
        count += other.count
        squaredError += other.squaredError
        squaredSum += other.squaredSum
        maximumError = max(maximumError, other.maximumError)
        clippedCount += other.clippedCount
    }

    mutating func addClipped(_ count: Int) { clippedCount += count }

    @inline(__always)
    private func doubles(_ values: UnsafePointer<Float>) -> SIMD4<Double> {
        SIMD4(Double(values[0]), Double(values[1]), Double(values[2]), Double(values[3]))
    }
}

/// Why weights cannot be quantized.
package enum QuantizationFailure: Error, Equatable, CustomStringConvertible {
    /// A weight is NaN or infinite; `row` counts from the first row of the call.
    case nonFinite(row: Int, column: Int, value: String)
    /// A weight exceeds the encoding's range, for callers that do not want it clamped.
    case clipped(row: Int, column: Int, value: Float, limit: Float)
    /// A weight of the squared error (the importance) is negative, NaN or infinite.
    case invalidImportance(column: Int, value: String)

    package var description: String {
        switch self {
        case .nonFinite(let row, let column, let value):
            "the weight in row \(row), column \(column) is \(value); expected a finite number"
        case .clipped(let row, let column, let value, let limit):
            "the weight in row \(row), column \(column) is \(value); expected at most ±\(limit) for this encoding"
        case .invalidImportance(let column, let value):
            "the importance of column \(column) is \(value); expected a finite number that is not negative"
        }
    }
}
