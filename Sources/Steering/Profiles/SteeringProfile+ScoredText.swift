// SPDX-License-Identifier: Apache-2.0
// Profiles as they are measured: scored text has no part that is generated, and no prompt that decides about it.

import Formats

extension SteeringProfile {
    /// The profile as it acts on text that is scored: on every token, whatever its phase; gates that a prompt opens for what
    /// is generated are open. Gates that each token opens for itself stay.
    package var actingOnScoredText: SteeringProfile {
        var profile = self
        profile.phase = .both
        for index in operations.indices where operations[index].gate?.scope == .prompt {
            profile.operations[index].gate = nil
        }
        return profile
    }

    /// The profile with all gates open, which are read all the same: the most that it costs in time.
    package var withOpenGates: SteeringProfile {
        var profile = self
        for index in operations.indices {
            guard let gate = operations[index].gate else { continue }
            profile.operations[index].gate?.threshold = gate.comparison == .above ? -1e12 : 1e12
        }
        return profile
    }
}
