// SPDX-License-Identifier: Apache-2.0
// From tokens to batches: those of one timeline, or of several, which share one pass over the weights.

import Kernels
import Platform

extension ForwardPass {
    /// Runs tokens through the model in batches and appends what they leave to the state.
    ///
    /// - Parameters:
    ///   - tokens: ids at the positions firstPosition, firstPosition + 1, ...
    ///   - request: which logits are computed.
    ///   - shouldContinue: called before each layer; false ends the evaluation there and invalidates the cache from
    ///     `firstPosition` on.
    /// - Returns: whether all tokens were evaluated.
    /// - Precondition: ids are below vocabularySize; the state has room for all positions; the memory is reserved, or the system
    ///   grants it; `request` and `shouldContinue` start no evaluation on the same compute.
    @discardableResult
    package func evaluate(
        _ tokens: UnsafeBufferPointer<Int32>, state: SequenceState, _ evaluation: ForwardOptions,
        request: LogitsRequest, while shouldContinue: () -> Bool = { true }
    ) -> Bool {
        var start = 0
        while start < tokens.count {
            let count = min(batchSize, tokens.count - start)
            let batch = UnsafeBufferPointer(rebasing: tokens[start..<start + count])
            var part = evaluation
            part.firstPosition += start
            // Generated tokens come one by one.
            let segments = BatchSegments(
                BatchSegment(
                    state: state, evaluation: part, rows: 0..<count,
                    beginsMessage: start == 0 && tokens.count > 1,
                    endsMessage: start + count == tokens.count && tokens.count > 1))
            let isDone = compute.exclusively {
                guard runLayers(batch, segments, while: shouldContinue) else { return false }
                switch request {
                case .none: break
                case .last(let logits):
                    if start + count == tokens.count { computeLogits(ofRow: count - 1, into: logits) }
                case .all(let visit): computeAllLogits(count) { visit(start + $0, $1) }
                }
                return true
            }
            guard isDone else { return false }
            start += count
        }
        return true
    }

    /// Runs parts of several timelines through the model. Batches span the ends of parts, so short texts cost no more per token
    /// than long ones. Results equal those of separate runs bit for bit.
    ///
    /// - Parameter visit: receives the logits after each token as (index of the part, index of the token in it, logits),
    ///   in order; nil computes none.
    /// - Precondition: as for one timeline; no two parts share a state.
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
                        state: part.state, evaluation: evaluation,
                        rows: tokens.count..<tokens.count + count, beginsMessage: start == 0,
                        endsMessage: start + count == part.tokens.count))
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
        _ tokens: UnsafeBufferPointer<Int32>, first: (state: SequenceState, evaluation: ForwardOptions),
        second: (state: SequenceState, evaluation: ForwardOptions),
        visit: (_ timeline: Int, _ logits: UnsafeBufferPointer<Float>) -> Void
    ) {
        precondition(tokens.count == 2 && batchSize >= 2, "evaluatePair: one token for each of two timelines")
        precondition(
            !first.evaluation.records && !second.evaluation.records, "evaluatePair: nothing is recorded")
        let segments = BatchSegments(
            BatchSegment(state: first.state, evaluation: first.evaluation, rows: 0..<1),
            BatchSegment(state: second.state, evaluation: second.evaluation, rows: 1..<2))
        compute.exclusively {
            runLayers(tokens, segments)
            computeAllLogits(2, visit)
        }
    }
}
