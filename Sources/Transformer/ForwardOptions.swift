// SPDX-License-Identifier: Apache-2.0
// The input of a forward pass: tokens of one or several timelines, each with its state and steering.

import Kernels
import Platform
import Steering

/// The rows for which the head computes logits.
package enum LogitsRequest {
    case none
    /// The last token only, which is what generation needs; into a buffer of [vocabularySize].
    case last(into: AlignedBuffer<Float>)
    /// Every token, delivered in order as (index of the token in the batch, its logits).
    case all((_ token: Int, _ logits: UnsafeBufferPointer<Float>) -> Void)
}

/// The inputs and the state of one evaluation besides the model.
package struct ForwardOptions {
    /// Position of the first token; the state holds everything before it.
    package var firstPosition: Int
    package var steering: SteeringPlan
    /// State of the plan's gates, over the same context as the state.
    package var gates: SteeringGates?
    /// Whether the tokens are prompt or generated text, for profiles that steer only one of them.
    package var isPrompt: Bool
    package var recorder: ResidualRecorder?
    /// Records the outputs of the attention heads, all heads of a layer in one row.
    package var headRecorder: ResidualRecorder?
    package var inputs: InputRecorder?

    /// - Precondition: a plan with conditions has gates.
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

    /// Whether anything is recorded, which requires a batch with a single timeline.
    var records: Bool { recorder != nil || headRecorder != nil || inputs != nil }
}

/// Tokens that continue one timeline from the end of its state.
package struct TimelinePart {
    package let tokens: ArraySlice<Int32>
    package let state: SequenceState
    package let evaluation: ForwardOptions

    /// - Precondition: nothing is recorded: recording requires a batch with a single timeline.
    package init(tokens: ArraySlice<Int32>, state: SequenceState, evaluation: ForwardOptions) {
        precondition(!evaluation.records, "TimelinePart: nothing is recorded")
        (self.tokens, self.state, self.evaluation) = (tokens, state, evaluation)
    }
}
