// SPDX-License-Identifier: Apache-2.0
// Rows of several timelines share one pass over the weights; only the steps that depend on positions, caches or steering run per
// timeline.

import Kernels
import Steering

/// One timeline's rows in a batch.
struct BatchSegment {
    let state: SequenceState
    let evaluation: ForwardOptions
    let rows: Range<Int>
    /// Whether a message begins or ends with these rows: a sequence with recurrent layers can be cut back to there.
    var beginsMessage = false, endsMessage = false

    var place: SteeringPlace {
        SteeringPlace(
            firstPosition: evaluation.firstPosition, firstRow: rows.lowerBound, isPrompt: evaluation.isPrompt,
            gates: evaluation.gates)
    }

    var positions: Range<Int> { evaluation.firstPosition..<evaluation.firstPosition + rows.count }
}

/// All rows of a batch.
struct BatchSegments {
    let first: BatchSegment
    /// Stored outside an array, which would be allocated for each token.
    private var second: BatchSegment?
    private var others: [BatchSegment] = []

    init(_ first: BatchSegment, _ second: BatchSegment? = nil) { (self.first, self.second) = (first, second) }

    /// - Precondition: there is at least one segment; their rows are contiguous.
    init(_ segments: [BatchSegment]) {
        first = segments[0]
        others = Array(segments.dropFirst())
    }

    var tokenCount: Int { (others.last ?? second ?? first).rows.upperBound }

    func forEach(_ body: (BatchSegment) -> Void) {
        body(first)
        if let second { body(second) }
        for other in others { body(other) }
    }
}
