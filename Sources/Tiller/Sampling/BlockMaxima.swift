// SPDX-License-Identifier: Apache-2.0
// Where in a vocabulary large logits are. One pass on all threads finds the largest of each block, right where the head has just
// left them in the threads' caches; whoever then seeks tokens looks into the few blocks that have any.

import Kernels

/// The largest logit of each block of the vocabulary.
struct BlockMaxima {
    private static let blockSize = 1024

    /// −∞ for blocks without numbers.
    private var peaks: [Float] = []

    /// The largest logit; −∞ where nothing is a number.
    private(set) var maximum = -Float.infinity

    /// Looks through logits, which the other functions must get unchanged. Allocates nothing after the first time.
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

    /// The first index of the maximum; 0 where nothing is a number above −∞.
    func indexOfMaximum(_ logits: UnsafeBufferPointer<Float>) -> Int {
        guard maximum > -.infinity, let block = peaks.firstIndex(of: maximum) else { return 0 }
        let tokens = tokens(ofBlock: block, of: logits)
        return logits[tokens].firstIndex(of: maximum) ?? tokens.lowerBound
    }

    /// Calls `body` in order for all tokens whose logit reaches what `threshold` is by then.
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
