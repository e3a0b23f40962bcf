// SPDX-License-Identifier: Apache-2.0
// Memory that attention works in: a set for each thread, and the partial results of a split over positions. It grows
// with the first call of a shape and is then reused.

import KernelCore
import Platform

/// The work of one thread on a block of tokens and one head of the cache; a row is one query head of one token.
final class AttentionRows: Sendable {
    /// Queries, scaled [rows × headSize].
    let queries: AlignedBuffer<Float>
    /// The queries as codes [rows × headSize / 32].
    let codes: AlignedBuffer<QuantizedGroup>
    /// What the queries make of biases that the cache leaves out [rows × pairs × 2].
    let biasFactors: AlignedBuffer<Float>
    /// Scores of one chunk [rows × chunkSize].
    let scores: AlignedBuffer<Float>
    /// The scores times the scales of each 32 channels [rows × headSize / 32 × chunkSize / 32].
    let weights: AlignedBuffer<QuantizedGroup>
    /// Output of one chunk, and of all chunks so far [rows × padded headSize].
    let part: AlignedBuffer<Float>
    let total: AlignedBuffer<Float>
    /// [rows].
    let partStates: AlignedBuffer<SoftmaxState>
    let totalStates: AlignedBuffer<SoftmaxState>

    init(_ sizes: Sizes) {
        queries = AlignedBuffer(count: sizes.queries)
        codes = AlignedBuffer(count: sizes.codes)
        biasFactors = AlignedBuffer(count: sizes.biasFactors)
        scores = AlignedBuffer(count: sizes.scores)
        weights = AlignedBuffer(count: sizes.weights)
        part = AlignedBuffer(count: sizes.output)
        total = AlignedBuffer(count: sizes.output)
        partStates = AlignedBuffer(count: sizes.states)
        totalStates = AlignedBuffer(count: sizes.states)
    }

    /// Elements of each buffer.
    struct Sizes {
        var rowCount = 0
        var headSize = 0
        var biasPairCount = 0

        var queries: Int { rowCount * headSize }
        var codes: Int { rowCount * ((headSize + groupColumns - 1) / groupColumns) }
        var biasFactors: Int { rowCount * biasPairCount * 2 }
        var scores: Int { rowCount * Attention.chunkSize }
        var weights: Int { codes * (Attention.chunkSize / groupColumns) }
        var output: Int { rowCount * paddedSize(headSize) }
        var states: Int { rowCount }

        var byteCount: Int {
            AlignedBuffer<Float>.byteCount(queries + biasFactors + scores + 2 * output)
                + AlignedBuffer<QuantizedGroup>.byteCount(codes + weights)
                + AlignedBuffer<SoftmaxState>.byteCount(2 * states)
        }
    }

    var byteCount: Int {
        queries.byteCount + codes.byteCount + biasFactors.byteCount + scores.byteCount + weights.byteCount
            + part.byteCount + total.byteCount + partStates.byteCount + totalStates.byteCount
    }
}

/// Scratch of all threads.
struct AttentionScratch {
    /// One for each thread.
    private(set) var rows: [AttentionRows] = []
    private var sizes = AttentionRows.Sizes()
    /// Outputs of single chunks [units × rows × padded headSize], states [units × rows].
    private(set) var parts = AlignedBuffer<Float>(count: 0)
    private(set) var partStates = AlignedBuffer<SoftmaxState>(count: 0)
    /// Chunks that are missing of each block and head.
    let unfinished = Countdowns()

    mutating func reserve(threadCount: Int, rowCount: Int, headSize: Int, biasPairCount: Int) {
        guard
            rows.count < threadCount || rowCount > sizes.rowCount || headSize > sizes.headSize
                || biasPairCount > sizes.biasPairCount
        else { return }
        sizes.rowCount = max(rowCount, sizes.rowCount)
        sizes.headSize = max(headSize, sizes.headSize)
        sizes.biasPairCount = max(biasPairCount, sizes.biasPairCount)
        rows = (0..<threadCount).map { [sizes] _ in AttentionRows(sizes) }
    }

    mutating func reserveParts(rowCount: Int, headSize: Int) {
        if parts.count < rowCount * paddedSize(headSize) {
            parts = AlignedBuffer(count: rowCount * paddedSize(headSize))
        }
        if partStates.count < rowCount { partStates = AlignedBuffer(count: rowCount) }
    }

    var byteCount: Int {
        rows.reduce(parts.byteCount + partStates.byteCount) { $0 + $1.byteCount }
    }

    /// Bytes of results of single chunks.
    static func partsByteCount(rowCount: Int, headSize: Int) -> Int {
        AlignedBuffer<Float>.byteCount(rowCount * paddedSize(headSize))
            + AlignedBuffer<SoftmaxState>.byteCount(rowCount)
    }
}
