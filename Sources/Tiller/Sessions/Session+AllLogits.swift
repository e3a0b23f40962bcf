// SPDX-License-Identifier: Apache-2.0
// Scoring whole texts: every position's distribution, and taps on the residual stream.

import Kernels
import Transformer

extension Session {
    /// Evaluates tokens from an empty timeline and visits the logits after each position.
    ///
    /// The tokens do not stay in the session.
    /// - Precondition: the tokens fit the context and lie inside the vocabulary.
    package func evaluateAllLogits(_ tokens: [Int32], visit: (Int, UnsafeBufferPointer<Float>) -> Void) {
        precondition(tokens.count <= contextLength, "evaluateAllLogits: the tokens do not fit the context")
        rewind(to: 0)
        withoutActuallyEscaping(visit) { visit in
            tokens.withUnsafeBufferPointer { all in
                engine.evaluate(
                    all, cache: cache, Evaluation(firstPosition: 0, steering: plan, gates: gates),
                    request: .all(visit))
            }
        }
        invalidateCache()
    }

    /// Evaluates tokens from an empty timeline for the sake of their states alone.
    package func record(_ tokens: [Int32], with recorder: ResidualRecorder) {
        precondition(tokens.count <= contextLength, "record: the tokens do not fit the context")
        rewind(to: 0)
        tokens.withUnsafeBufferPointer { all in
            engine.evaluate(
                all, cache: cache,
                Evaluation(firstPosition: 0, steering: plan, gates: gates, recorder: recorder),
                request: .none)
        }
        invalidateCache()
    }

    /// Evaluates tokens from an empty timeline for the sake of what the matrices read.
    package func record(_ tokens: [Int32], with inputs: InputRecorder) {
        precondition(tokens.count <= contextLength, "record: the tokens do not fit the context")
        rewind(to: 0)
        tokens.withUnsafeBufferPointer { all in
            engine.evaluate(
                all, cache: cache, Evaluation(firstPosition: 0, steering: plan, gates: gates, inputs: inputs),
                request: .none)
        }
        invalidateCache()
    }
}
