// SPDX-License-Identifier: Apache-2.0
// Operations on rows of activations: norms, quantization, sums, rotation. Several of them follow each other on the same
// rows. A thread takes its tokens through all of them without a barrier, so the rows stay in the first-level cache.

import KernelCore
import Platform

/// The tokens of a batch that one thread processes.
package struct TokenRows {
    let compute: Compute
    /// Indices into the batch.
    package let tokens: Range<Int>
    /// The batch row of the sequence's first token: positions count from there.
    let firstRow: Int
}

extension Compute {
    /// Runs `body` over all tokens of a batch, a few at a time, on all threads if there is enough work.
    ///
    /// - elementCount: Elements per token that `body` processes.
    /// - firstRow: The batch row of the first token.
    package func forTokens(
        _ tokenCount: Int, elementCount: Int, firstRow: Int = 0, _ body: (TokenRows) -> Void
    ) {
        let block = 8
        split(tokenCount, elementCount: tokenCount * elementCount, granularity: block) { part in
            var token = part.lowerBound
            while token < part.upperBound {
                let end = min(token + block, part.upperBound)
                body(
                    TokenRows(
                        compute: self, tokens: firstRow + token..<firstRow + end, firstRow: firstRow))
                token = end
            }
        }
    }
}

extension TokenRows {
    /// output[t, c] = x[t, c] · weight[c] / √(Σ_c x[t, c]² / columns + ε), RMSNorm.
    ///
    /// - x: [tokens × columns], with as many columns as the output.
    /// - output: Its `values` are written.
    package func normalize(
        _ x: AlignedBuffer<Float>, weight: WeightVector, epsilon: Float, into output: Activations
    ) {
        let columns = output.columns
        precondition(weight.count == columns, "normalize: \(weight.count) gains for \(columns) columns")
        check(x, columns, "normalize")
        check(output.values, columns, "normalize")
        for t in tokens {
            compute.table.normalize(
                x.baseAddress + t * columns, weight.baseAddress, output.values.baseAddress + t * columns,
                columns, epsilon)
        }
    }

    /// output[t, c] = x[t, c].
    ///
    /// - x: [tokens × columns], with as many columns as the output.
    /// - output: Its `values` are written.
    package func copy(_ x: AlignedBuffer<Float>, into output: Activations) {
        let columns = output.columns
        check(x, columns, "copy")
        check(output.values, columns, "copy")
        let start = tokens.lowerBound * columns
        (output.values.baseAddress + start).update(
            from: x.baseAddress + start, count: tokens.count * columns)
    }

    /// RMSNorm in place for rows as long as the weight: queries and keys, per head or whole, or outputs of a block.
    ///
    /// - x: [tokens × rowsPerToken × weight.count]
    package func normalizeInPlace(
        _ x: AlignedBuffer<Float>, weight: WeightVector, epsilon: Float, rowsPerToken: Int = 1
    ) {
        let columns = weight.count
        precondition(rowsPerToken >= 0, "normalizeInPlace: rows cannot be negative")
        check(x, rowsPerToken * columns, "normalizeInPlace")
        for row in tokens.lowerBound * rowsPerToken..<tokens.upperBound * rowsPerToken {
            let values = x.baseAddress + row * columns
            compute.table.normalize(values, weight.baseAddress, values, columns, epsilon)
        }
    }

    /// Fills the 8-bit form from `values`: one scale per 32 columns, max|x| / 127; codes rounded to nearest, ties
    /// to even.
    /// - Precondition: 32 divides the columns.
    package func quantize(_ a: Activations) {
        guard let groups = a.groups else {
            preconditionFailure("quantize: 32 does not divide \(a.columns) columns")
        }
        precondition(tokens.upperBound <= a.capacity, "quantize: more tokens than activations")
        let groupCount = a.columns / groupColumns
        compute.table.quantize(
            a.values.baseAddress + tokens.lowerBound * a.columns,
            groups.baseAddress + tokens.lowerBound * groupCount, tokens.count * groupCount)
    }

    /// x[t, c] += bias[c].
    /// - x: [tokens × bias.count]
    package func addBias(_ bias: WeightVector, to x: AlignedBuffer<Float>) {
        check(x, bias.count, "addBias")
        for t in tokens {
            compute.table.add(bias.baseAddress, x.baseAddress + t * bias.count, bias.count)
        }
    }

    /// x[t, c] += scale · y[t, c].
    /// - x, y: [tokens × columns]
    package func add(_ y: AlignedBuffer<Float>, scale: Float, to x: AlignedBuffer<Float>, columns: Int) {
        check(y, columns, "add")
        check(x, columns, "add")
        let start = tokens.lowerBound * columns, count = tokens.count * columns
        if scale == 1 {
            compute.table.add(y.baseAddress + start, x.baseAddress + start, count)
        } else {
            compute.table.addScaled(y.baseAddress + start, scale, x.baseAddress + start, count)
        }
    }

    /// x[t, c] *= factor(t), with t counted from the sequence's first token.
    /// - x: [tokens × columns]
    package func scale(_ x: AlignedBuffer<Float>, columns: Int, by factor: (Int) -> Float) {
        check(x, columns, "scale")
        for t in tokens {
            let values = x.baseAddress + t * columns
            compute.table.scale(values, factor(t - firstRow), values, columns)
        }
    }

    /// Rotates pairs (i, i + half) of every head in place by the angles of its token's position (RoPE, NeoX order).
    ///
    /// - x: [tokens × headCount × headSize]; elements beyond twice the table's frequencies stay as they are.
    /// - angles: The angles of the sequence's positions.
    package func rotate(
        _ x: AlignedBuffer<Float>, by angles: RotaryAngles, headCount: Int, headSize: Int
    ) {
        let half = angles.table.inverseFrequencies.count
        precondition(headCount >= 0 && 2 * half <= headSize, "rotate: more frequencies than pairs in a head")
        precondition(tokens.upperBound - firstRow <= angles.count, "rotate: more tokens than positions")
        check(x, headCount * headSize, "rotate")
        for t in tokens {
            compute.table.rotate(
                x.baseAddress + t * headCount * headSize, angles.cosines(ofToken: t - firstRow),
                angles.sines(ofToken: t - firstRow), half, headCount, headSize)
        }
    }

    /// Checks that a buffer holds rows of `columns` elements up to the last of these tokens.
    func check<Element>(_ buffer: AlignedBuffer<Element>, _ columns: Int, _ operation: StaticString) {
        compute.check(buffer, holds: tokens.upperBound, by: columns, operation)
    }
}
