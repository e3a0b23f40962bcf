// SPDX-License-Identifier: Apache-2.0
// Steering for text that is scored, not generated.

import Steering

extension Engine {
    /// Compiles a selection for scoring: profiles act on every token in either phase, and gates that a prompt would open are
    /// open; otherwise half of all profiles would have no effect.
    package func scoringPlan(_ steering: [AppliedProfile]) throws(TillerError) -> SteeringPlan {
        try plan(steering) { $0.actingOnScoredText }
    }
}

extension SteeringPlan {
    /// Refuses a measurement in which the steering cannot act.
    ///
    /// - Parameter tokenCount: the evaluated tokens of the longest text.
    /// - Throws: `TillerError.invalidProfile` if all steering starts after it.
    package func requireAction(within tokenCount: Int) throws(TillerError) {
        guard let first = firstPosition(isPrompt: true), first >= tokenCount else { return }
        throw .invalidProfile(
            "steering begins at position \(first), but at most \(tokenCount) tokens of a text are evaluated: nothing "
                + "would be steered")
    }
}

extension Session {
    /// Whether a gate of this session's steering has opened for any token since it was set; nil without gates.
    package var hasOpenedGate: Bool? { gates?.hasOpened }
}

extension Sequence<Session> {
    /// The same for several sessions under one plan.
    package var haveOpenedGate: Bool? {
        let found = compactMap(\.hasOpenedGate)
        return found.isEmpty ? nil : found.contains(true)
    }
}
