// SPDX-License-Identifier: Apache-2.0
// The scratch memory of a team of threads, predicted and allocated: both follow from the same sizes.

import Platform

/// The sizes that determine attention's scratch memory for one model's contexts.
package struct AttentionMemory: Sendable {
    package var headCount: Int
    package var keyValueHeadCount: Int
    package var headSize: Int
    /// Positions of the cache.
    package var capacity: Int
    /// The maximum number of tokens per batch.
    package var batchSize: Int
    /// The maximum number of positions that a token sees, including its own, if every layer has a window.
    package var window: Int?
    /// Frequencies per head, and the number of frequency tables.
    package var pairCount: Int
    package var rotaryTableCount: Int
    /// Whether keys may have biases that the cache omits.
    package var separatesBiases: Bool

    package init(
        headCount: Int, keyValueHeadCount: Int, headSize: Int, capacity: Int, batchSize: Int, window: Int?,
        pairCount: Int, rotaryTableCount: Int, separatesBiases: Bool
    ) {
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
        self.capacity = capacity
        self.batchSize = batchSize
        self.window = window
        self.pairCount = pairCount
        self.rotaryTableCount = rotaryTableCount
        self.separatesBiases = separatesBiases
    }

    /// The maximum number of chunks that all tokens together see.
    private func chunkCount(tokenCount: Int) -> Int {
        let all = (capacity - 1) / KeyValueCache.chunkSize + 1
        guard let window, window < capacity else { return all }
        // As many chunks as fit, plus one at either end.
        return min(all, (window + tokenCount) / KeyValueCache.chunkSize + 2)
    }

    private func shape(_ tokenCount: Int) -> AttentionShape {
        AttentionShape(
            headCount: headCount, keyValueHeadCount: keyValueHeadCount, headSize: headSize,
            tokenCount: tokenCount)
    }

    /// The maximum number of tokens per call.
    var longest: Int { min(batchSize, capacity) }

    /// The scratch sizes of each thread, for any division of a prompt.
    var rowSizes: AttentionRows.Sizes {
        AttentionRows.Sizes(
            rowCount: (1...longest).reduce(0) { max($0, shape($1).rowCount) }, headSize: headSize,
            biasPairCount: separatesBiases ? pairCount : 0)
    }

    /// The maximum number of rows of partial results.
    func partRowCount(threadCount: Int) -> Int {
        (1...longest).reduce(0) { most, tokenCount in
            let shape = shape(tokenCount)
            guard shape.sharesChunks(threadCount: threadCount) else { return most }
            let chunkCount = chunkCount(tokenCount: tokenCount)
            return max(most, shape.partRowCount(chunkCount: chunkCount, capacity: capacity))
        }
    }

    /// The maximum scratch memory of attention.
    func byteCount(threadCount: Int) -> Int {
        threadCount * rowSizes.byteCount
            + AttentionScratch.partsByteCount(
                rowCount: partRowCount(threadCount: threadCount), headSize: headSize)
    }

    /// Bytes of the angles of a batch, and of a whole context if attention adds key biases.
    var angleByteCount: Int {
        rotaryTableCount
            * (RotaryAngles.byteCount(positionCount: longest, pairCount: pairCount)
                + (separatesBiases ? RotaryTiles.byteCount(capacity: capacity, pairCount: pairCount) : 0))
    }
}

extension Compute {
    /// The maximum scratch memory of a team of threads.
    package static func byteCount(threadCount: Int, _ attention: AttentionMemory) -> Int {
        threadCount * GateScratch.byteCount + attention.byteCount(threadCount: threadCount)
            + attention.angleByteCount
    }

    /// Bytes that this team has allocated so far.
    package var allocatedByteCount: Int {
        gateScratch.reduce(attentionScratch.byteCount) { $0 + $1.byteCount }
            + rotaryAngles.reduce(0) { $0 + $1.byteCount } + rotaryTiles.reduce(0) { $0 + $1.byteCount }
    }
}
