// SPDX-License-Identifier: Apache-2.0
// Profiles as they are measured: scored text has neither a generated part nor a prompt that opens gates.

import Formats

extension SteeringProfile {
    /// The profile for scored text: it acts on every token, whatever its phase. Gates that a prompt decides are open;
    /// gates that decide per token remain.
    package var actingOnScoredText: SteeringProfile {
        var profile = self
        profile.phase = .both
        for index in operations.indices where operations[index].gate?.scope == .prompt {
            profile.operations[index].gate = nil
        }
        return profile
    }

    /// The profile with all gates open but still evaluated: the upper bound of its run time.
    package var withOpenGates: SteeringProfile {
        var profile = self
        for index in operations.indices {
            guard let gate = operations[index].gate else { continue }
            profile.operations[index].gate?.threshold = gate.comparison == .above ? -1e12 : 1e12
        }
        return profile
    }
}
