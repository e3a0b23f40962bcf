// SPDX-License-Identifier: Apache-2.0
// Steering of text that is scored and not generated.

import Steering

extension Engine {
    /// Compiles a selection for scoring: profiles act on every token, whatever their phase, and gates that a prompt opens are
    /// open; otherwise half of all profiles would seem to do nothing.
    package func scoringPlan(_ steering: [AppliedProfile]) throws(TillerError) -> SteeringPlan {
        try plan(steering) { $0.actingOnScoredText }
    }
}

extension SteeringPlan {
    /// Refuses to measure what cannot happen.
    ///
    /// - Parameter tokenCount: of the longest text, as far as it is evaluated.
    /// - Throws: `TillerError.invalidProfile` where everything that steers begins after it.
    package func requireAction(within tokenCount: Int) throws(TillerError) {
        guard let first = firstPosition(isPrompt: true), first >= tokenCount else { return }
        throw .invalidProfile(
            "what steers begins at position \(first), and of no text are more than \(tokenCount) tokens evaluated: nothing "
                + "would be steered")
    }
}

extension Session {
    /// Whether a gate of what steers this session has opened for any token since it was set; nil without gates.
    package var hasOpenedGate: Bool? { gates?.hasOpened }
}

extension Sequence<Session> {
    /// The same of several sessions under one plan.
    package var haveOpenedGate: Bool? {
        let found = compactMap(\.hasOpenedGate)
        return found.isEmpty ? nil : found.contains(true)
    }
}
