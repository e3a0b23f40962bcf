// SPDX-License-Identifier: Apache-2.0
// Scratch memory of attention: a set of buffers per thread, and the partial results of a split over positions (split-K).
// It grows when room for a shape is reserved, and is then reused.

import KernelCore
import Platform

/// The scratch rows of one thread for a block of tokens and one head of the cache; a row is one query head of one token.
final class AttentionRows: Sendable {
    /// Queries, scaled [rows × headSize].
    let queries: AlignedBuffer<Float>
    /// The queries as codes [rows × headSize / 32].
    let codes: AlignedBuffer<QuantizedGroup>
    /// Dot products of the queries with the biases that the cache omits [rows × pairs × 2].
    let biasFactors: AlignedBuffer<Float>
    /// Scores of one chunk [rows × chunkSize].
    let scores: AlignedBuffer<Float>
    /// The scores times the scales of each 32 channels [rows × headSize / 32 × chunkSize / 32].
    let weights: AlignedBuffer<QuantizedGroup>
    /// Output of one chunk, and the running total [rows × padded headSize].
    let part: AlignedBuffer<Float>
    let total: AlignedBuffer<Float>
    /// [rows].
    let partStates: AlignedBuffer<SoftmaxState>
    let totalStates: AlignedBuffer<SoftmaxState>

    init(_ sizes: Sizes) throws(AllocationError) {
        queries = try AlignedBuffer(count: sizes.queries)
        codes = try AlignedBuffer(count: sizes.codes)
        biasFactors = try AlignedBuffer(count: sizes.biasFactors)
        scores = try AlignedBuffer(count: sizes.scores)
        weights = try AlignedBuffer(count: sizes.weights)
        part = try AlignedBuffer(count: sizes.output)
        total = try AlignedBuffer(count: sizes.output)
        partStates = try AlignedBuffer(count: sizes.states)
        totalStates = try AlignedBuffer(count: sizes.states)
    }

    /// The sizes that determine the buffers.
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

/// The scratch memory of all threads.
struct AttentionScratch {
    /// One element per thread.
    private(set) var rows: [AttentionRows] = []
    private var sizes = AttentionRows.Sizes()
    /// Outputs of single chunks [units × rows × padded headSize], states [units × rows].
    private var parts: AlignedBuffer<Float>?
    private var partStates: AlignedBuffer<SoftmaxState>?
    /// Remaining chunks of each block and head.
    let unfinished = CompletionCounters()

    mutating func reserve(
        threadCount: Int, rowCount: Int, headSize: Int, biasPairCount: Int
    ) throws(AllocationError) {
        guard
            rows.count < threadCount || rowCount > sizes.rowCount || headSize > sizes.headSize
                || biasPairCount > sizes.biasPairCount
        else { return }
        let largest = AttentionRows.Sizes(
            rowCount: max(rowCount, sizes.rowCount), headSize: max(headSize, sizes.headSize),
            biasPairCount: max(biasPairCount, sizes.biasPairCount))
        var all: [AttentionRows] = []
        for _ in 0..<threadCount { all.append(try AttentionRows(largest)) }
        (rows, sizes) = (all, largest)
    }

    /// Reserves room for the outputs and states of single chunks; the pointers are valid until a later call needs more.
    @discardableResult
    mutating func reserveParts(rowCount: Int, headSize: Int) throws(AllocationError) -> (
        outputs: UnsafeMutablePointer<Float>, states: UnsafeMutablePointer<SoftmaxState>
    ) {
        if let parts, let partStates, parts.count >= rowCount * paddedSize(headSize),
            partStates.count >= rowCount
        {
            return (parts.baseAddress, partStates.baseAddress)
        }
        let parts = try AlignedBuffer<Float>(count: rowCount * paddedSize(headSize))
        let partStates = try AlignedBuffer<SoftmaxState>(count: rowCount)
        (self.parts, self.partStates) = (parts, partStates)
        return (parts.baseAddress, partStates.baseAddress)
    }

    var byteCount: Int {
        rows.reduce((parts?.byteCount ?? 0) + (partStates?.byteCount ?? 0)) { $0 + $1.byteCount }
    }

    /// Bytes of the partial results of single chunks.
    static func partsByteCount(rowCount: Int, headSize: Int) -> Int {
        AlignedBuffer<Float>.byteCount(rowCount * paddedSize(headSize))
            + AlignedBuffer<SoftmaxState>.byteCount(rowCount)
    }
}
