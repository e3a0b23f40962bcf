// SPDX-License-Identifier: Apache-2.0
/// Why a profile cannot steer a model.
package struct SteeringError: Error, CustomStringConvertible, Equatable {
    package let description: String

    package init(_ description: String) { self.description = description }
}
