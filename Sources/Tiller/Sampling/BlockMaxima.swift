// SPDX-License-Identifier: Apache-2.0
// Locates large logits in the vocabulary. One pass on all threads finds each block's maximum while the logits are still in the
// threads' caches from the head; later searches visit only the few blocks that can contain a match.

import Kernels

/// The largest logit of each block of the vocabulary.
struct BlockMaxima {
    private static let blockSize = 1024

    /// The blocks' maxima; −∞ for blocks without numbers.
    private var peaks: [Float] = []

    /// The largest logit; −∞ if none is a number.
    private(set) var maximum = -Float.infinity

    /// Scans logits, which must be unchanged when passed to the other functions. Allocates only on first use.
    mutating func find(_ logits: UnsafeBufferPointer<Float>, with compute: Compute) {
        let blockCount = Self.blockCount(logits.count)
        if peaks.count != blockCount { peaks = Array(repeating: -.infinity, count: blockCount) }
        peaks.withUnsafeMutableBufferPointer {
            compute.findLargest(ofBlocks: logits, size: Self.blockSize, into: $0)
        }
        maximum = peaks.reduce(-.infinity) { $1 > $0 ? $1 : $0 }
    }

    private static func blockCount(_ vocabularySize: Int) -> Int {
        (vocabularySize + blockSize - 1) / blockSize
    }

    static func byteCount(vocabularySize: Int) -> Int {
        blockCount(vocabularySize) * MemoryLayout<Float>.stride
    }
    var allocatedByteCount: Int { peaks.capacity * MemoryLayout<Float>.stride }

    /// The first index of the maximum; 0 if no logit is above −∞.
    func indexOfMaximum(_ logits: UnsafeBufferPointer<Float>) -> Int {
        guard maximum > -.infinity, let block = peaks.firstIndex(of: maximum) else { return 0 }
        let tokens = tokens(ofBlock: block, of: logits)
        return logits[tokens].firstIndex(of: maximum) ?? tokens.lowerBound
    }

    /// Calls `body` in order for all tokens whose logit reaches the value of `threshold` at that time.
    func forEachToken(
        _ logits: UnsafeBufferPointer<Float>, reaching threshold: inout Float,
        _ body: (_ token: Int, _ threshold: inout Float) -> Void
    ) {
        for block in peaks.indices where peaks[block] >= threshold {
            for token in tokens(ofBlock: block, of: logits) where logits[token] >= threshold {
                body(token, &threshold)
            }
        }
    }

    private func tokens(ofBlock block: Int, of logits: UnsafeBufferPointer<Float>) -> Range<Int> {
        block * Self.blockSize..<min((block + 1) * Self.blockSize, logits.count)
    }
}
