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
package struct Evaluation {
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
        precondition(gates != nil || steering.conditions.isEmpty, "Evaluation: gates without a memory")
        self.firstPosition = firstPosition
        self.steering = steering
        self.gates = gates
        self.headRecorder = headRecorder
        self.isPrompt = isPrompt
        self.recorder = recorder
        self.inputs = inputs
    }

    func place(firstRow: Int) -> SteeringPlace {
        SteeringPlace(firstPosition: firstPosition, firstRow: firstRow, isPrompt: isPrompt, gates: gates)
    }
}

/// One timeline's rows of a batch.
struct Lane {
    let cache: KeyValueCache
    let evaluation: Evaluation
    let rows: Range<Int>

    var place: SteeringPlace { evaluation.place(firstRow: rows.lowerBound) }
}

/// What goes through the blocks together: rows of one timeline or of several, for all of which the weights are read once.
/// What looks at positions, caches or steering goes lane by lane; all else takes the rows together.
struct Lanes {
    let first: Lane
    /// Not in the array, which would have to be allocated for each token.
    var second: Lane?
    var others: [Lane] = []

    init(first: Lane, second: Lane? = nil) { (self.first, self.second) = (first, second) }

    /// - Precondition: there is one; their rows follow each other.
    init(_ lanes: [Lane]) {
        first = lanes[0]
        others = Array(lanes.dropFirst())
    }

    var tokenCount: Int { (others.last ?? second ?? first).rows.upperBound }

    func forEach(_ body: (Lane) -> Void) {
        body(first)
        if let second { body(second) }
        for other in others { body(other) }
    }
}

/// Tokens that go on where one timeline's cache stands.
package struct TimelinePart {
    package let tokens: ArraySlice<Int32>
    package let cache: KeyValueCache
    package let evaluation: Evaluation

    /// - Precondition: nothing is recorded, which takes a timeline of its own.
    package init(tokens: ArraySlice<Int32>, cache: KeyValueCache, evaluation: Evaluation) {
        precondition(
            evaluation.recorder == nil && evaluation.headRecorder == nil && evaluation.inputs == nil,
            "TimelinePart: nothing is recorded")
        (self.tokens, self.cache, self.evaluation) = (tokens, cache, evaluation)
    }
}
