// SPDX-License-Identifier: Apache-2.0
// The division of an attention call into units of work, which also determines its scratch memory: allocation and
// prediction share this rule.

import KernelCore

/// The sizes of one attention call.
package struct AttentionShape: Sendable {
    /// Rows (query heads of tokens) that one unit computes together if there are many tokens.
    static let blockRows = 32

    let headCount: Int
    let keyValueHeadCount: Int
    let headSize: Int
    let tokenCount: Int

    /// - Precondition: counts are positive, and `keyValueHeadCount` divides `headCount`.
    package init(headCount: Int, keyValueHeadCount: Int, headSize: Int, tokenCount: Int) {
        precondition(
            headCount > 0 && keyValueHeadCount > 0 && headCount % keyValueHeadCount == 0,
            "attention: \(headCount) heads do not share \(keyValueHeadCount) evenly")
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
        self.tokenCount = tokenCount
    }

    /// Query heads per head of the cache (GQA).
    var groupSize: Int { headCount / keyValueHeadCount }
    /// Tokens per block, a multiple of eight where possible: kernels take eight rows at a time.
    var blockTokens: Int {
        let tokens = max(1, Self.blockRows / groupSize)
        return min(tokens < 8 ? tokens : tokens / 8 * 8, tokenCount)
    }
    var blockCount: Int { (tokenCount + blockTokens - 1) / blockTokens }
    /// Rows per block.
    var rowCount: Int { blockTokens * groupSize }
    var paddedHeadSize: Int { paddedSize(headSize) }
    /// Blocks times heads of the cache.
    var unitCount: Int { blockCount * keyValueHeadCount }

    /// Whether there are too few blocks to keep all threads busy, so that threads share chunks of positions (Flash-Decoding).
    func sharesChunks(threadCount: Int) -> Bool { threadCount > 1 && unitCount < 4 * threadCount }

    /// Rows of the partial results of single chunks, which exist at once if threads share chunks.
    ///
    /// - chunkCount: Chunks of the positions that the tokens see.
    /// - capacity: Positions of the cache. The partial results of a single token are sized for all of them, so that a growing
    ///   sequence never needs a larger buffer.
    func partRowCount(chunkCount: Int, capacity: Int) -> Int {
        let capacityChunks = (capacity - 1) / KeyValueCache.chunkSize + 1
        return unitCount * (tokenCount == 1 ? capacityChunks : chunkCount) * rowCount
    }
}
