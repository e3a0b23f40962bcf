// SPDX-License-Identifier: Apache-2.0
// The first half of a gated feed-forward network in one step. A thread computes products, activation and quantization of
// some rows of both matrices while they are in its caches: the wide intermediate state is never written to memory as Float.

import KernelCore
import Platform

/// The activation function of a gated feed-forward network.
package enum GateActivation: Sendable {
    /// x · σ(x)
    case silu
    /// ½x · (1 + tanh(√(2/π) · (x + 0.044715 x³)))
    case geluTanh
}

/// A thread's buffers for its parts of both products.
package struct GateScratch {
    /// Elements per buffer: both together leave room for the weights in the second-level cache.
    static let capacity = 16 * 1024
    static var byteCount: Int { 2 * AlignedBuffer<Float>.byteCount(capacity) }
    var byteCount: Int { gate.byteCount + up.byteCount }
    let gate, up: AlignedBuffer<Float>

    init() throws(AllocationError) {
        gate = try AlignedBuffer(count: Self.capacity)
        up = try AlignedBuffer(count: Self.capacity)
    }

    /// Runs `body` over blocks of tokens and tiles whose products fit these buffers.
    func forBlocks(
        of tokens: Range<Int>, _ tiles: Range<Int>,
        _ body: (_ tokens: Range<Int>, _ tiles: Range<Int>) -> Void
    ) {
        let blockTokens = min(tokens.count, 128)
        let blockTiles = max(2, Self.capacity / laneCount / max(blockTokens, 1) / 2 * 2)
        var tile = tiles.lowerBound
        while tile < tiles.upperBound {
            let part = tile..<min(tile + blockTiles, tiles.upperBound)
            var token = tokens.lowerBound
            while token < tokens.upperBound {
                let block = token..<min(token + blockTokens, tokens.upperBound)
                body(block, part)
                token = block.upperBound
            }
            tile = part.upperBound
        }
    }
}

extension Compute {
    /// output[t, r] = activation(Σ_c gate[r, c] · x[t, c]) · Σ_c up[r, c] · x[t, c].
    ///
    /// - gate, up: [output.columns × x.columns]
    /// - x: [tokenCount × columns] in the forms that the matrices read.
    /// - form: The form of the output to write; it must not alias x.
    /// - upcoming: as in `multiply`.
    package func multiplyGated(
        gate: WeightMatrix, up: WeightMatrix, activation: GateActivation, by x: Activations, tokenCount: Int,
        into output: Activations, form: ActivationForm, prefetching upcoming: PrefetchHint? = nil
    ) {
        precondition(
            gate.columns == x.columns && up.columns == x.columns,
            "multiplyGated: matrices of \(gate.columns) and \(up.columns) columns cannot read \(x.columns)")
        precondition(
            gate.rows == output.columns && up.rows == output.columns,
            "multiplyGated: matrices of \(gate.rows) and \(up.rows) rows cannot fill \(output.columns)")
        precondition(
            tokenCount >= 0 && tokenCount <= min(x.capacity, output.capacity),
            "multiplyGated: more tokens than activations")
        precondition(
            form == .values || output.groups != nil, "multiplyGated: 32 does not divide \(output.columns)")
        let work = gate.tileCount * laneCount * x.columns * max(tokenCount, 1) / 2
        split(
            gate.tileCount, elementCount: work, granularity: Self.tileGranularity,
            prefetching: tokenCount == 1 ? upcoming : nil
        ) { part, thread in
            let scratch = gateScratch[thread]
            scratch.forBlocks(of: 0..<tokenCount, part) { tokens, tiles in
                multiplyGated(gate, up, activation, x, tokens, tiles, scratch, output, form)
            }
        }
    }

    /// Computes some rows of both matrices for some tokens, on the calling thread.
    ///
    /// - firstOutputRow: the row of the matrices that belongs to the output's first column.
    func multiplyGated(
        _ gate: WeightMatrix, _ up: WeightMatrix, _ activation: GateActivation, _ x: Activations,
        _ tokens: Range<Int>, _ tiles: Range<Int>, _ scratch: GateScratch, _ output: Activations,
        _ form: ActivationForm, firstOutputRow: Int = 0
    ) {
        let firstRow = tiles.lowerBound * laneCount
        let rowCount = min(tiles.upperBound * laneCount, gate.rows) - firstRow
        // Row 0 would precede the scratch memory, which begins with this part's first row.
        multiply(gate, x, tokens, tiles, into: scratch.gate.baseAddress - firstRow, stride: rowCount)
        multiply(up, x, tokens, tiles, into: scratch.up.baseAddress - firstRow, stride: rowCount)
        let kernel =
            switch activation {
            case .silu: table.gateSilu
            case .geluTanh: table.gateGeluTanh
            }
        var a = scratch.gate.baseAddress, b = scratch.up.baseAddress
        var offset = tokens.lowerBound * output.columns + firstRow - firstOutputRow
        let values = output.values.baseAddress
        let groups = form == .codes ? output.groups?.baseAddress : nil
        for _ in tokens {
            if let groups {
                kernel(a, b, a, rowCount)
                table.quantize(a, groups + offset / groupColumns, rowCount / groupColumns)
            } else {
                kernel(a, b, values + offset, rowCount)
            }
            a += rowCount
            b += rowCount
            offset += output.columns
        }
    }
}
