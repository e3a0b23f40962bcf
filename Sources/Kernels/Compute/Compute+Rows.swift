// SPDX-License-Identifier: Apache-2.0
// Operations on single rows: steering, sampling, scoring.

import Glibc
import KernelCore
import Platform

extension Compute {
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

    /// output[b] = max x[i] over block b, `size` consecutive elements; the last block may be shorter.
    ///
    /// NaN is skipped; the result is −∞ if every element is NaN.
    /// - output: [blocks]
    package func findLargest(
        ofBlocks x: UnsafeBufferPointer<Float>, size: Int, into output: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(size > 0 && output.count == (x.count + size - 1) / size, "findLargest: wrong blocks")
        guard let start = x.baseAddress, let maxima = output.baseAddress else { return }
        split(output.count, elementCount: x.count) { blocks in
            for block in blocks {
                let first = block * size
                maxima[block] = table.largest(start + first, min(size, x.count - first))
            }
        }
    }

    /// log Σ e^x[i], x [count].
    /// - Precondition: `count` is positive.
    package func logSumExp(_ x: UnsafePointer<Float>, count: Int) -> Float {
        Float(preciseLogSumExp(x, count: count))
    }

    /// The same before rounding to Float, accurate to about 1e-7.
    package func preciseLogSumExp(_ x: UnsafePointer<Float>, count: Int) -> Double {
        precondition(count > 0, "logSumExp: nothing to add")
        let largest = table.largest(x, count)
        guard largest.isFinite else { return Double(largest) }
        // Short blocks are summed in Float, the blocks' sums in Double: a large vocabulary loses no digits.
        var sum = 0.0
        var i = 0
        while i < count {
            let n = min(2048, count - i)
            sum += Double(table.sumExponentials(x + i, largest, n))
            i += n
        }
        return Double(largest) + log(sum)
    }

    /// ln P of a token under the distribution of these logits.
    package func logLikelihood(of token: Int32, _ logits: UnsafeBufferPointer<Float>) -> Double {
        guard let base = logits.baseAddress else { return 0 }
        return Double(base[Int(token)] - logSumExp(base, count: logits.count))
    }
}
