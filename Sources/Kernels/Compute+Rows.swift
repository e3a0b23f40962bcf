// SPDX-License-Identifier: Apache-2.0
// Operations on rows of activations: norms, quantization, gates, sums.

import Glibc
import KernelCore
import Platform

/// The activation function of a gated feed-forward network.
package enum GateActivation: Sendable {
    /// x · σ(x)
    case silu
    /// ½x · (1 + tanh(√(2/π) · (x + 0.044715 x³)))
    case geluTanh
}

extension Compute {
    /// output[t, c] = x[t, c] · weight[c] / √(Σ_c x[t, c]² / columns + ε), RMSNorm.
    ///
    /// - x: [tokenCount × columns], columns those of the output.
    /// - output: its `values` are written.
    package func normalize(
        _ x: AlignedBuffer<Float>, weight: WeightVector, epsilon: Float, tokenCount: Int,
        into output: Activations
    ) {
        let columns = output.columns
        precondition(weight.count == columns, "normalize: \(weight.count) gains for \(columns) columns")
        check(x, holds: tokenCount, by: columns, "normalize")
        check(output.values, holds: tokenCount, by: columns, "normalize")
        split(tokenCount, elementCount: tokenCount * columns) { part in
            for t in part {
                table.normalize(
                    x.baseAddress + t * columns, weight.baseAddress, output.values.baseAddress + t * columns,
                    columns, epsilon)
            }
        }
    }

    /// RMSNorm in place of rows as long as the weight: queries and keys by head, or outputs of a block.
    /// - x: [rowCount × weight.count]
    package func normalizeInPlace(
        _ x: AlignedBuffer<Float>, weight: WeightVector, epsilon: Float, rowCount: Int
    ) {
        let columns = weight.count
        check(x, holds: rowCount, by: columns, "normalizeInPlace")
        split(rowCount, elementCount: rowCount * columns) { part in
            for row in part {
                let values = x.baseAddress + row * columns
                table.normalize(values, weight.baseAddress, values, columns, epsilon)
            }
        }
    }

    /// Fills the 8-bit form from `values`: one scale for each 32 columns, max|x| / 127; codes rounded to nearest, ties
    /// to even.
    /// - Precondition: 32 divides the columns.
    package func quantize(_ a: Activations, tokenCount: Int) {
        guard let groups = a.groups else {
            preconditionFailure("quantize: 32 does not divide \(a.columns) columns")
        }
        precondition(tokenCount >= 0 && tokenCount <= a.capacity, "quantize: more tokens than activations")
        let groupCount = a.columns / groupColumns
        split(tokenCount * groupCount, elementCount: tokenCount * a.columns, granularity: 16) { part in
            table.quantize(
                a.values.baseAddress + part.lowerBound * groupColumns, groups.baseAddress + part.lowerBound,
                part.count)
        }
    }

    /// x[t, c] += bias[c].
    /// - x: [tokenCount × bias.count]
    package func addBias(_ bias: WeightVector, to x: AlignedBuffer<Float>, tokenCount: Int) {
        check(x, holds: tokenCount, by: bias.count, "addBias")
        split(tokenCount, elementCount: tokenCount * bias.count) { part in
            for t in part { table.add(bias.baseAddress, x.baseAddress + t * bias.count, bias.count) }
        }
    }

    /// x[i] += y[i].
    package func add(_ y: AlignedBuffer<Float>, to x: AlignedBuffer<Float>, count: Int) {
        check(y, holds: count, by: 1, "add")
        check(x, holds: count, by: 1, "add")
        split(count, elementCount: count, granularity: 64) { part in
            table.add(y.baseAddress + part.lowerBound, x.baseAddress + part.lowerBound, part.count)
        }
    }

    /// output[t, c] = activation(gate[t, c]) · up[t, c].
    ///
    /// - gate, up: [tokenCount × columns], columns those of the output.
    /// - output: its `values` are written.
    package func gate(
        _ gate: AlignedBuffer<Float>, _ up: AlignedBuffer<Float>, activation: GateActivation, tokenCount: Int,
        into output: Activations
    ) {
        check(gate, holds: tokenCount, by: output.columns, "gate")
        check(up, holds: tokenCount, by: output.columns, "gate")
        check(output.values, holds: tokenCount, by: output.columns, "gate")
        let kernel =
            switch activation {
            case .silu: table.gateSilu
            case .geluTanh: table.gateGeluTanh
            }
        let count = tokenCount * output.columns
        split(count, elementCount: count * 4, granularity: 64) { part in
            let start = part.lowerBound
            kernel(
                gate.baseAddress + start, up.baseAddress + start, output.values.baseAddress + start,
                part.count)
        }
    }

    // MARK: - Single rows

    /// row[i] += scale · vector[i], both [count].
    package func addScaled(
        _ vector: UnsafePointer<Float>, scale: Float, to row: UnsafeMutablePointer<Float>, count: Int
    ) {
        precondition(count >= 0, "addScaled: a count cannot be negative")
        table.addScaled(vector, scale, row, count)
    }

    /// Σ a[i] · b[i], both [count].
    package func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
        precondition(count >= 0, "dot: a count cannot be negative")
        return table.dot(a, b, count)
    }

    /// log Σ e^x[i], x [count].
    /// - Precondition: `count` is positive.
    package func logSumExp(_ x: UnsafePointer<Float>, count: Int) -> Float {
        precondition(count > 0, "logSumExp: nothing to add")
        let largest = table.largest(x, count)
        guard largest.isFinite else { return largest }
        // Short blocks in Float, their sums in Double: a large vocabulary loses no digits.
        var sum = 0.0
        var i = 0
        while i < count {
            let n = min(2048, count - i)
            sum += Double(table.sumExponentials(x + i, largest, n))
            i += n
        }
        return Float(Double(largest) + log(sum))
    }

    /// The first index of the largest element, x [count].
    /// - Precondition: `count` is positive.
    package func argmax(_ x: UnsafePointer<Float>, count: Int) -> Int {
        precondition(count > 0, "argmax: nothing to choose from")
        let largest = table.largest(x, count)
        var i = 0
        while i < count, x[i] != largest { i += 1 }
        return i < count ? i : 0
    }
}
