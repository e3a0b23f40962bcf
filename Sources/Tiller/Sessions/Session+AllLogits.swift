// SPDX-License-Identifier: Apache-2.0
// Scoring of whole texts: every position's distribution, and taps on the residual stream.

import Kernels
import Transformer

extension Session {
    /// Evaluates tokens from an empty timeline and visits the logits after each position.
    ///
    /// The session does not keep the tokens.
    /// - Precondition: the tokens fit the context and are in the vocabulary.
    package func evaluateAllLogits(_ tokens: [Int32], visit: (Int, UnsafeBufferPointer<Float>) -> Void) {
        precondition(tokens.count <= contextLength, "evaluateAllLogits: the tokens do not fit the context")
        rewind(to: 0)
        withoutActuallyEscaping(visit) { visit in
            tokens.withUnsafeBufferPointer { all in
                engine.evaluate(
                    all, state: state, ForwardOptions(firstPosition: 0, steering: plan, gates: gates),
                    request: .all(visit))
            }
        }
        invalidateCache()
    }

    /// Evaluates tokens of a text to record their states only.
    ///
    /// The session does not keep the tokens, but their keys and values stay until its next other evaluation, so a call may
    /// continue where the previous one ended.
    /// - Parameters:
    ///   - range: part of the text's tokens; all earlier tokens must have been recorded. Nil records the whole text.
    ///   - ofHeads: records the outputs of the attention heads instead of the residual stream.
    /// - Precondition: the range fits the context.
    package func record(
        _ tokens: [Int32], _ range: Range<Int>? = nil, with recorder: ResidualRecorder, ofHeads: Bool = false
    ) {
        let range = range ?? tokens.indices
        precondition(range.upperBound <= contextLength, "record: the tokens do not fit the context")
        guard !range.isEmpty else { return }
        rewind(to: 0)
        tokens.withUnsafeBufferPointer { all in
            // Recurrent layers may know an earlier position only.
            let known = state.truncate(to: range.lowerBound)
            if known < range.lowerBound {
                engine.evaluate(
                    UnsafeBufferPointer(rebasing: all[known..<range.lowerBound]), state: state,
                    ForwardOptions(firstPosition: known, steering: plan, gates: gates), request: .none)
            }
            engine.evaluate(
                UnsafeBufferPointer(rebasing: all[range]), state: state,
                ForwardOptions(
                    firstPosition: range.lowerBound, steering: plan, gates: gates,
                    recorder: ofHeads ? nil : recorder, headRecorder: ofHeads ? recorder : nil),
                request: .none)
        }
        // The state stays where it is, for the next call.
        forgetEvaluated()
    }

    /// Evaluates tokens from an empty timeline to record the inputs of the matrices only.
    package func record(_ tokens: [Int32], with inputs: InputRecorder) {
        precondition(tokens.count <= contextLength, "record: the tokens do not fit the context")
        rewind(to: 0)
        tokens.withUnsafeBufferPointer { all in
            engine.evaluate(
                all, state: state,
                ForwardOptions(firstPosition: 0, steering: plan, gates: gates, inputs: inputs),
                request: .none)
        }
        invalidateCache()
    }
}

extension Engine {
    /// A recorder of the states at some positions.
    package func makeRecorder(_ positions: Range<Int>, ofHeads: Bool = false) -> ResidualRecorder {
        let configuration = model.configuration
        return ResidualRecorder(
            layerCount: configuration.layerCount,
            hiddenSize: ofHeads
                ? configuration.headCount * configuration.headSize : configuration.hiddenSize,
            positions: positions)
    }
}
