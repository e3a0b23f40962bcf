// SPDX-License-Identifier: Apache-2.0
// The expected times of a conversion's phases, for a single progress bar.

import Conversion
import Terminal

extension Converter {
    /// The phases in the order in which they begin, with their weights. The time of nearly all of them is proportional to
    /// the model's weights, so their ratios are about the same for every model; these are SmolLM2's, in seconds on two
    /// busy cores.
    var expectedPhases: [PhasedProgress<Phase>.Expectation] {
        guard let calibration else { return [.init(.convert, weight: 1)] }
        var phases: [PhasedProgress<Phase>.Expectation] = [
            .init(.reference, weight: 8, mayBeLeftOut: true),
            .init(.calibrate, weight: 85, total: 23, mayBeLeftOut: true),
        ]
        if calibration.budget != nil { phases.append(.init(.compare, weight: 870, total: 300)) }
        phases.append(.init(.convert, weight: 113))
        if calibration.effort == .high {
            phases.append(.init(.fit, weight: 300, total: 100, mayBeLeftOut: true))
        }
        phases.append(.init(.measure, weight: 9, total: 2))
        return phases
    }
}
