// SPDX-License-Identifier: Apache-2.0
// What a team of threads works in, before it exists and when it does: both from the sizes that allocate.

import Platform

/// What attention over one model's contexts depends on.
package struct AttentionMemory: Sendable {
    package var headCount: Int
    package var keyValueHeadCount: Int
    package var headSize: Int
    /// Positions of the cache.
    package var capacity: Int
    /// The most tokens that go through together.
    package var batchSize: Int
    /// The most positions that a token sees, itself included, where every layer has a window.
    package var window: Int?
    /// Frequencies of a head, and how many tables of them there are.
    package var pairCount: Int
    package var rotaryTableCount: Int
    /// Whether keys may have biases that the cache leaves out.
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

    /// The most chunks that tokens see together.
    private func chunkCount(tokenCount: Int) -> Int {
        let all = (capacity - 1) / KeyValueCache.chunkSize + 1
        guard let window, window < capacity else { return all }
        // As many as fit, and one more at either end.
        return min(all, (window + tokenCount) / KeyValueCache.chunkSize + 2)
    }

    private func shape(_ tokenCount: Int) -> AttentionShape {
        AttentionShape(
            headCount: headCount, keyValueHeadCount: keyValueHeadCount, headSize: headSize,
            tokenCount: tokenCount)
    }

    /// The most tokens that one call reads.
    var longest: Int { min(batchSize, capacity) }

    /// What each thread works in, whatever parts a prompt comes in.
    var rowSizes: AttentionRows.Sizes {
        AttentionRows.Sizes(
            rowCount: (1...longest).reduce(0) { max($0, shape($1).rowCount) }, headSize: headSize,
            biasPairCount: separatesBiases ? pairCount : 0)
    }

    /// The most rows of results of single chunks.
    func partRowCount(threadCount: Int) -> Int {
        (1...longest).reduce(0) { most, tokenCount in
            let shape = shape(tokenCount)
            guard shape.sharesChunks(threadCount: threadCount) else { return most }
            let chunkCount = chunkCount(tokenCount: tokenCount)
            return max(most, shape.partRowCount(chunkCount: chunkCount, capacity: capacity))
        }
    }

    /// The most that attention works in.
    func byteCount(threadCount: Int) -> Int {
        threadCount * rowSizes.byteCount
            + AttentionScratch.partsByteCount(
                rowCount: partRowCount(threadCount: threadCount), headSize: headSize)
    }

    /// The angles of a batch, and of a whole context where biases are added by attention.
    var angleByteCount: Int {
        rotaryTableCount
            * (RotaryAngles.byteCount(positionCount: longest, pairCount: pairCount)
                + (separatesBiases ? RotaryTiles.byteCount(capacity: capacity, pairCount: pairCount) : 0))
    }
}

extension Compute {
    /// Bytes that a team of threads works in, at most.
    package static func byteCount(threadCount: Int, _ attention: AttentionMemory) -> Int {
        threadCount * GateScratch.byteCount + attention.byteCount(threadCount: threadCount)
            + attention.angleByteCount
    }

    /// Bytes that this team has allocated by now.
    package var allocatedByteCount: Int {
        gateScratch.reduce(attentionScratch.byteCount) { $0 + $1.byteCount }
            + rotaryAngles.reduce(0) { $0 + $1.byteCount } + rotaryTiles.reduce(0) { $0 + $1.byteCount }
    }
}
