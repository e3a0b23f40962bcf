// SPDX-License-Identifier: Apache-2.0
// Several timelines go through the model together: the weights are read from memory once for all of them.

import Kernels
import Platform

extension ForwardPass {
    /// Runs parts of several timelines through the model. Batches span the ends of parts, so short texts cost no more per token
    /// than long ones. Results equal those of separate runs bit for bit.
    ///
    /// - Parameter visit: receives the logits after each token as (index of the part, index of the token in it, logits),
    ///   in order; nil computes none.
    /// - Precondition: as for one timeline; no two parts share a cache.
    package func evaluate(
        _ parts: [TimelinePart], visit: ((Int, Int, UnsafeBufferPointer<Float>) -> Void)?
    ) {
        var tokens: [Int32] = [], segments: [BatchSegment] = [], places: [(part: Int, token: Int)] = []
        func runBatch() {
            guard !tokens.isEmpty else { return }
            compute.exclusively {
                tokens.withUnsafeBufferPointer { runLayers($0, BatchSegments(segments)) }
                if let visit {
                    computeAllLogits(tokens.count) { visit(places[$0].part, places[$0].token, $1) }
                }
            }
            (tokens, segments, places) = ([], [], [])
        }
        for (index, part) in parts.enumerated() {
            var start = 0
            while start < part.tokens.count {
                let count = min(batchSize - tokens.count, part.tokens.count - start)
                var evaluation = part.evaluation
                evaluation.firstPosition += start
                segments.append(
                    BatchSegment(
                        cache: part.cache, evaluation: evaluation,
                        rows: tokens.count..<tokens.count + count))
                tokens += part.tokens.dropFirst(start).prefix(count)
                places += (start..<start + count).map { (index, $0) }
                start += count
                if tokens.count == batchSize { runBatch() }
            }
        }
        runBatch()
    }

    /// Runs one token of each of two timelines through the model together: the weights are read from memory once for both.
    /// Results equal those of separate runs bit for bit.
    ///
    /// - Parameters:
    ///   - tokens: one id for each timeline.
    ///   - visit: receives the logits of the first and the second timeline, which are valid during the call.
    /// - Precondition: as for `evaluate`; nothing is recorded.
    package func evaluatePair(
        _ tokens: UnsafeBufferPointer<Int32>, first: (cache: KeyValueCache, evaluation: ForwardOptions),
        second: (cache: KeyValueCache, evaluation: ForwardOptions),
        visit: (_ timeline: Int, _ logits: UnsafeBufferPointer<Float>) -> Void
    ) {
        precondition(tokens.count == 2 && batchSize >= 2, "evaluatePair: one token for each of two timelines")
        precondition(
            !first.evaluation.records && !second.evaluation.records, "evaluatePair: nothing is recorded")
        let segments = BatchSegments(
            BatchSegment(cache: first.cache, evaluation: first.evaluation, rows: 0..<1),
            BatchSegment(cache: second.cache, evaluation: second.evaluation, rows: 1..<2))
        compute.exclusively {
            runLayers(tokens, segments)
            computeAllLogits(2, visit)
        }
    }
}
