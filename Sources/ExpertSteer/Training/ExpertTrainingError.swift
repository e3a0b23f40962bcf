// SPDX-License-Identifier: Apache-2.0
// Mathematical errors, with the layers that they concern.

import Directions

package enum ExpertTrainingError: Error, CustomStringConvertible {
    /// The place, and the defect of the states.
    case states(String, StatesError)

    package var description: String {
        switch self {
        case .states(let place, let error): "\(place): \(error)"
        }
    }
}
