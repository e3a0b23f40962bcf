// SPDX-License-Identifier: Apache-2.0
// Errors of the mathematics, with the place that they are about.

import Directions

package enum ExpertTrainingError: Error, CustomStringConvertible {
    /// Where, and what is wrong with the states.
    case states(String, StatesError)

    package var description: String {
        switch self {
        case .states(let place, let error): "\(place): \(error)"
        }
    }
}
