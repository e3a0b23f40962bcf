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

    init(rowCount: Int, headSize: Int, biasPairCount: Int) {
        queries = AlignedBuffer(count: rowCount * headSize)
        codes = AlignedBuffer(count: rowCount * ((headSize + groupColumns - 1) / groupColumns))
        biasFactors = AlignedBuffer(count: rowCount * biasPairCount * 2)
        scores = AlignedBuffer(count: rowCount * Attention.chunkSize)
        weights = AlignedBuffer(count: codes.count * (Attention.chunkSize / groupColumns))
        part = AlignedBuffer(count: rowCount * paddedSize(headSize))
        total = AlignedBuffer(count: rowCount * paddedSize(headSize))
        partStates = AlignedBuffer(count: rowCount)
        totalStates = AlignedBuffer(count: rowCount)
    }
}

/// Scratch of all threads.
struct AttentionScratch {
    /// One for each thread.
    private(set) var rows: [AttentionRows] = []
    private var rowCount = 0
    private var headSize = 0
    private var biasPairCount = 0
    /// Outputs of single chunks [units × rows × padded headSize], states [units × rows].
    private(set) var parts = AlignedBuffer<Float>(count: 0)
    private(set) var partStates = AlignedBuffer<SoftmaxState>(count: 0)
    /// Chunks that are missing of each block and head.
    let unfinished = Countdowns()

    mutating func reserve(threadCount: Int, rowCount: Int, headSize: Int, biasPairCount: Int) {
        guard
            rows.count < threadCount || rowCount > self.rowCount || headSize > self.headSize
                || biasPairCount > self.biasPairCount
        else { return }
        self.rowCount = max(rowCount, self.rowCount)
        self.headSize = max(headSize, self.headSize)
        self.biasPairCount = max(biasPairCount, self.biasPairCount)
        rows = (0..<threadCount).map { _ in
            AttentionRows(
                rowCount: self.rowCount, headSize: self.headSize, biasPairCount: self.biasPairCount)
        }
    }

    mutating func reserveParts(rowCount: Int, headSize: Int) {
        if parts.count < rowCount * paddedSize(headSize) {
            parts = AlignedBuffer(count: rowCount * paddedSize(headSize))
        }
        if partStates.count < rowCount { partStates = AlignedBuffer(count: rowCount) }
    }
}
