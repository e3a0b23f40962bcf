// SPDX-License-Identifier: Apache-2.0
// Matrix products: weights times a batch of activations.

import KernelCore
import Platform
import Quantization

/// One matrix and the destination of its product.
package struct Projection {
    package let weights: WeightMatrix
    /// [tokens × weights.rows].
    package let output: AlignedBuffer<Float>

    package init(_ weights: WeightMatrix, into output: AlignedBuffer<Float>) {
        self.weights = weights
        self.output = output
    }
}

extension Compute {
    /// output[t, r] = Σ_c w[r, c] · x[t, c] for up to three matrices that read the same activations.
    ///
    /// Each matrix reads the form of x that its encoding requires; the caller has written it.
    /// - x: [tokenCount × columns], with as many columns as the matrices; no output may alias it.
    /// - upcoming: The weights of the next product; prefetched for a single token only, where reading weights dominates.
    package func multiply(
        _ a: Projection, _ b: Projection? = nil, _ c: Projection? = nil, by x: Activations, tokenCount: Int,
        prefetching upcoming: PrefetchHint? = nil
    ) {
        let tileCounts = (a.weights.tileCount, b?.weights.tileCount ?? 0, c?.weights.tileCount ?? 0)
        checkProduct(a, x, tokenCount)
        if let b { checkProduct(b, x, tokenCount) }
        if let c { checkProduct(c, x, tokenCount) }
        let tileCount = tileCounts.0 + tileCounts.1 + tileCounts.2
        let work = tileCount * laneCount * x.columns * max(tokenCount, 1) / 4
        // A block of tokens stays in the second-level cache while the tiles stream through.
        let blockTokens = max(16, 192 * 1024 / x.columns / 16 * 16)
        split(
            tileCount, elementCount: work, granularity: Self.tileGranularity,
            prefetching: tokenCount == 1 ? upcoming : nil
        ) { part, _ in
            var token = 0
            while token < tokenCount {
                let tokens = token..<min(token + blockTokens, tokenCount)
                multiply(a, x, tokens, part, offset: 0)
                if let b { multiply(b, x, tokens, part, offset: tileCounts.0) }
                if let c { multiply(c, x, tokens, part, offset: tileCounts.0 + tileCounts.1) }
                token = tokens.upperBound
            }
        }
    }

    private func checkProduct(_ p: Projection, _ x: Activations, _ tokenCount: Int) {
        precondition(
            p.weights.columns == x.columns,
            "multiply: a matrix of \(p.weights.columns) columns cannot read \(x.columns) activations")
        precondition(tokenCount >= 0 && tokenCount <= x.capacity, "multiply: more tokens than activations")
        check(p.output, holds: tokenCount, by: p.weights.rows, "multiply")
    }

    /// Multiplies the part of `tiles` that belongs to this projection, whose first tile has the number `offset`.
    private func multiply(
        _ p: Projection, _ x: Activations, _ tokens: Range<Int>, _ tiles: Range<Int>, offset: Int
    ) {
        let w = p.weights
        let first = max(tiles.lowerBound - offset, 0), end = min(tiles.upperBound - offset, w.tileCount)
        guard first < end else { return }
        multiply(
            w, x, tokens, first..<end, into: p.output.baseAddress + tokens.lowerBound * w.rows,
            stride: w.rows)
    }

    /// output[t, r] = Σ_c w[r, c] · x[t, c] for some tokens and tiles, on the calling thread.
    ///
    /// - output: The address of row 0 of the matrix for the first token; only rows of the tiles are written.
    /// - stride: Elements from one token's output to the next.
    func multiply(
        _ w: WeightMatrix, _ x: Activations, _ tokens: Range<Int>, _ tiles: Range<Int>,
        into output: UnsafeMutablePointer<Float>, stride: Int
    ) {
        let input: UnsafeRawPointer
        let inputStride: Int
        if w.inputForm == .codes, let groups = x.groups {
            inputStride = x.columns / groupColumns
            input = UnsafeRawPointer(groups.baseAddress + tokens.lowerBound * inputStride)
        } else {
            inputStride = x.columns
            input = UnsafeRawPointer(x.values.baseAddress + tokens.lowerBound * inputStride)
        }
        let product = TileProduct(
            tiles: w.baseAddress, tileByteCount: w.tileByteCount,
            columnByteCount: w.encoding == .float16 ? 2 * laneCount : 4 * laneCount,
            columnCount: w.columns, rowCount: w.rows, input: input, inputStride: inputStride,
            output: output, outputStride: stride, tokenCount: tokens.count)
        switch w.encoding {
        case .vector: preconditionFailure("multiply: a vector has no tiles")
        case .float32: table.multiplyFloat32(product, tiles.lowerBound, tiles.upperBound)
        case .float16: table.multiplyFloat16(product, tiles.lowerBound, tiles.upperBound)
        case .int8: table.multiplyInt8(product, tiles.lowerBound, tiles.upperBound)
        case .int5: table.multiplyInt5(product, tiles.lowerBound, tiles.upperBound)
        case .int4: table.multiplyInt4(product, tiles.lowerBound, tiles.upperBound)
        case .int3: table.multiplyInt3(product, tiles.lowerBound, tiles.upperBound)
        }
    }
}
