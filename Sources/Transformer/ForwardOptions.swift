// SPDX-License-Identifier: Apache-2.0
// What goes through the model together, and how: tokens of one timeline or of several, each with its cache and steering.

import Kernels
import Platform
import Steering

/// Rows of the stream that the head is asked for.
package enum LogitsRequest {
    case none
    /// The last token only, what generation needs; into a buffer of [vocabularySize].
    case last(into: AlignedBuffer<Float>)
    /// Every token, handed out in order as (index of the token in the batch, its logits).
    case all((_ token: Int, _ logits: UnsafeBufferPointer<Float>) -> Void)
}

/// What one evaluation reads and changes besides the model.
package struct ForwardOptions {
    /// Position of the first token; the cache holds everything before it.
    package var firstPosition: Int
    package var steering: SteeringPlan
    /// The memory of the plan's gates, of the same context as the cache.
    package var gates: SteeringGates?
    /// Whether the tokens are prompt or generated text, for profiles that steer one of them only.
    package var isPrompt: Bool
    package var recorder: ResidualRecorder?
    /// Takes up what the heads of the attention read, as wide as all of them together.
    package var headRecorder: ResidualRecorder?
    package var inputs: InputRecorder?

    /// - Precondition: a plan with conditions comes with its gates.
    package init(
        firstPosition: Int, steering: SteeringPlan = .none, gates: SteeringGates? = nil,
        isPrompt: Bool = true, recorder: ResidualRecorder? = nil, headRecorder: ResidualRecorder? = nil,
        inputs: InputRecorder? = nil
    ) {
        precondition(gates != nil || steering.conditions.isEmpty, "ForwardOptions: gates without a memory")
        self.firstPosition = firstPosition
        self.steering = steering
        self.gates = gates
        self.headRecorder = headRecorder
        self.isPrompt = isPrompt
        self.recorder = recorder
        self.inputs = inputs
    }

    /// Whether anything is recorded, which takes a timeline of its own.
    var records: Bool { recorder != nil || headRecorder != nil || inputs != nil }
}

/// Tokens that go on where one timeline's cache stands.
package struct TimelinePart {
    package let tokens: ArraySlice<Int32>
    package let cache: KeyValueCache
    package let evaluation: ForwardOptions

    /// - Precondition: nothing is recorded, which takes a timeline of its own.
    package init(tokens: ArraySlice<Int32>, cache: KeyValueCache, evaluation: ForwardOptions) {
        precondition(!evaluation.records, "TimelinePart: nothing is recorded")
        (self.tokens, self.cache, self.evaluation) = (tokens, cache, evaluation)
    }
}
