// SPDX-License-Identifier: Apache-2.0
// How a call of attention is cut into units of work, and so how much memory it works in: one rule for what is allocated
// and for what is predicted.

import KernelCore

/// The sizes of one attention call.
package struct AttentionShape: Sendable {
    /// Rows (query heads of tokens) that go through together where there are many tokens.
    static let blockRows = 32

    let headCount: Int
    let keyValueHeadCount: Int
    let headSize: Int
    let tokenCount: Int

    /// - Precondition: counts are positive; heads share those of the cache evenly.
    package init(headCount: Int, keyValueHeadCount: Int, headSize: Int, tokenCount: Int) {
        precondition(
            headCount > 0 && keyValueHeadCount > 0 && headCount % keyValueHeadCount == 0,
            "attention: \(headCount) heads do not share \(keyValueHeadCount) evenly")
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
        self.tokenCount = tokenCount
    }

    /// Query heads that share a head of the cache.
    var groupSize: Int { headCount / keyValueHeadCount }
    /// Tokens of a block, a multiple of eight where possible: kernels take eight rows at a time.
    var blockTokens: Int {
        let tokens = max(1, Self.blockRows / groupSize)
        return min(tokens < 8 ? tokens : tokens / 8 * 8, tokenCount)
    }
    var blockCount: Int { (tokenCount + blockTokens - 1) / blockTokens }
    /// Rows of a block.
    var rowCount: Int { blockTokens * groupSize }
    var paddedHeadSize: Int { paddedSize(headSize) }
    /// Blocks of all heads of the cache.
    var unitCount: Int { blockCount * keyValueHeadCount }

    /// Whether there are too few blocks to keep all threads busy, so that these share chunks of positions.
    func sharesChunks(threadCount: Int) -> Bool { threadCount > 1 && unitCount < 4 * threadCount }

    /// Rows of the results of single chunks, which exist at once where threads share chunks.
    ///
    /// - chunkCount: of the positions that the tokens see.
    /// - capacity: positions of the cache. The parts of a single token are sized for all of them, so that a growing sequence
    ///   does not come back for more.
    func partRowCount(chunkCount: Int, capacity: Int) -> Int {
        let capacityChunks = (capacity - 1) / KeyValueCache.chunkSize + 1
        return unitCount * (tokenCount == 1 ? capacityChunks : chunkCount) * rowCount
    }
}
