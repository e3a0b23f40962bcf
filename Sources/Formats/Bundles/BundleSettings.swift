// SPDX-License-Identifier: Apache-2.0
// The behaviour of a bundle unless its command line overrides it (formats/bundle.md §4).

import JSON

/// The settings stored in a bundle.
package struct BundleSettings: Equatable, Sendable {
    /// A profile of the model that steers by default.
    package struct Steering: Equatable, Sendable {
        package var name: String
        /// Nil uses the recommended strength.
        package var strength: Float?

        package init(name: String, strength: Float?) {
            self.name = name
            self.strength = strength
        }
    }

    package var steering: [Steering]
    /// The system message; nil for none.
    package var system: String?

    package init(steering: [Steering] = [], system: String? = nil) {
        self.steering = steering
        self.system = system
    }

    static let maximumByteCount = 1 << 20
    static let maximumSteeringCount = 64

    /// - Throws: `FormatError` bundle.md R6.
    init(_ json: JSON, at byteOffset: Int) throws(FormatError) {
        func refuse(_ found: String, _ expected: String) -> FormatError {
            FormatError(.bundleField, found: found, expected: expected, byteOffset: byteOffset)
        }
        guard case .object = json else { throw refuse("settings that are not an object", "an object") }
        switch json["system"] ?? .null {
        case .null: system = nil
        case .string(let text): system = text
        default: throw refuse("a system message that is not a text", "a string or null")
        }
        let list: [JSON]
        switch json["steering"] ?? .null {
        case .null: list = []
        case .array(let entries) where entries.count <= Self.maximumSteeringCount: list = entries
        default: throw refuse("no list of profiles", "at most \(Self.maximumSteeringCount) of them")
        }
        steering = []
        for entry in list {
            guard let name = entry["name"]?.stringValue, StoredProfile.isValidName(name) else {
                throw refuse("a profile without a valid name", "1 to 64 of A-Z a-z 0-9 . _ -")
            }
            var strength: Float?
            if let value = entry["strength"], value != .null {
                guard let number = value.doubleValue, abs(number) <= 1000 else {
                    throw refuse("the strength of \"\(name)\"", "a number within ±1000")
                }
                strength = Float(number)
            }
            steering.append(Steering(name: name, strength: strength))
        }
    }

    var json: JSON {
        let list = steering.map { entry in
            JSON.object([
                "name": .string(entry.name),
                "strength": entry.strength.map { .number(Double($0)) } ?? .null,
            ])
        }
        return ["steering": .array(list), "system": system.map { .string($0) } ?? .null]
    }
}
