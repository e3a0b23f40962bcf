// SPDX-License-Identifier: Apache-2.0
// A profile's receipt: the measurements, their texts, and what they are bound to (formats/receipt.md). It is part of the
// profile's `evaluation`, so it travels with the profile.

import Formats
import JSON

/// A receipt as a profile stores it.
package struct ProfileReceipt: Sendable, Equatable {
    /// All members but the seal.
    package let body: JSON.Object

    package static let version = 2
    private static let key = "receipt"
    private static let sealKey = "seal"

    package init(body: JSON.Object) { self.body = body }

    /// Whether the profile beat its controls.
    package var isDemonstrated: Bool { body["demonstrated"]?.boolValue ?? false }

    /// SHA-256 of the members in their order, as JSON.
    private var seal: String { SHA256.digest(of: JSON.object(body).serializedBytes()).description }

    /// The receipt with its seal.
    package var sealed: JSON {
        var object = body
        object[Self.sealKey] = .string(seal)
        return .object(object)
    }

    /// Reads a profile's receipt; nil where it has none.
    ///
    /// - Throws: `SteeringError` where the receipt was changed after it was made, or is of a later version.
    package init?(of profile: SteeringProfile) throws(SteeringError) {
        guard let json = profile.evaluation[Self.key], !json.isNull else { return nil }
        guard var body = json.objectValue, let found = body[Self.sealKey]?.stringValue else {
            throw SteeringError("the receipt of '\(profile.name)' has no seal")
        }
        body[Self.sealKey] = nil
        self.body = body
        guard found == seal else {
            throw SteeringError(
                "the receipt of '\(profile.name)' was changed after it was made: its seal does not match")
        }
        guard body["version"]?.intValue == Self.version else {
            throw SteeringError(
                "the receipt of '\(profile.name)' has version \(body["version"]?.serialized() ?? "none"), expected "
                    + "\(Self.version)")
        }
    }

    /// Checks that the receipt is about this profile.
    ///
    /// - Throws: `SteeringError` where vectors, operations or strengths differ from the measured ones.
    package func requireProfile(_ profile: SteeringProfile) throws(SteeringError) {
        guard body["profile_sha256"]?.stringValue == (try? profile.substanceDigest()) else {
            throw SteeringError(
                "'\(profile.name)' was changed after its receipt was made; evaluate it again")
        }
    }

    /// Checks that the receipt is about these weights.
    ///
    /// - Throws: `SteeringError` where the weights differ: another model, or another quantization of the same one.
    package func requireWeights(of file: TillerFile, profileName: String) throws(SteeringError) {
        let (measured, own) = (body["weights_sha256"]?.stringValue ?? "none", file.weightsDigest)
        guard measured == own else {
            throw SteeringError(
                "the receipt of '\(profileName)' was made on other weights (\(measured.prefix(12))…, these are "
                    + "\(own.prefix(12))…); evaluate it again")
        }
    }
}

extension SteeringProfile {
    /// SHA-256 of everything that affects steering: vectors, operations, strengths and the source model. Names,
    /// descriptions and records may change.
    package func substanceDigest() throws(FormatError) -> String {
        var bare = self
        (bare.name, bare.description, bare.method) = ("profile", "", "")
        (bare.provenance, bare.evaluation) = ([:], .null)
        return SHA256.digest(of: try bare.encoded()).description
    }

    /// The profile with a receipt, or without one where it is nil.
    package func with(_ receipt: ProfileReceipt?) -> SteeringProfile {
        var changed = self
        var record = evaluation.objectValue ?? [:]
        record["receipt"] = receipt?.sealed
        changed.evaluation = record.isEmpty ? .null : .object(record)
        return changed
    }

    /// How far its receipt holds in a file, in a few words for lists.
    ///
    /// - Parameter file: the model; nil for a profile alone.
    package func standing(in file: TillerFile?) -> ProfileStanding {
        do {
            guard let receipt = try ProfileReceipt(of: self) else { return .unproven }
            try receipt.requireProfile(self)
            guard receipt.isDemonstrated else { return .notDemonstrated }
            if let file { try receipt.requireWeights(of: file, profileName: name) }
            return .demonstrated
        } catch { return .void("\(error)") }
    }
}

/// The state of a profile's receipt.
package enum ProfileStanding: Sendable, Equatable {
    /// The profile has no receipt.
    case unproven
    case demonstrated
    /// The profile did not beat its controls.
    case notDemonstrated
    /// The receipt does not apply here; the value says why.
    case void(String)

    /// A label for lists; empty without a receipt.
    package var label: String {
        switch self {
        case .unproven: ""
        case .demonstrated: "demonstrated"
        case .notDemonstrated: "not demonstrated"
        case .void: "not demonstrated (receipt void)"
        }
    }
}

extension TillerFile {
    /// SHA-256 of the weights, in hexadecimal.
    package var weightsDigest: String {
        sections.first { $0.kind == .weights }.map { $0.digest.description } ?? ""
    }
}
