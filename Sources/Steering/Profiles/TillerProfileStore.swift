// SPDX-License-Identifier: Apache-2.0
// Steering profiles in model files.

import Formats
import Platform

/// Adds, removes and renames the profiles of a model file.
package enum TillerProfileStore {
    /// Adds a profile.
    ///
    /// - Parameters:
    ///   - profile: the profile to add.
    ///   - path: the model file.
    ///   - replacesExisting: whether a profile of the same name may be replaced.
    ///   - acceptsOtherSource: whether to accept a profile of another source model, or one in the source's head basis
    ///     where the file does not record that basis.
    ///   - signatures: signatures of this profile, stored with it.
    ///   - fault: the failure to simulate, for tests.
    /// - Throws: `FormatError` R30–R38, R41, `FileError`; the file is then unchanged.
    package static func add(
        _ profile: SteeringProfile, signatures: [Signature] = [], in path: String,
        replacesExisting: Bool = false,
        acceptsOtherSource: Bool = false, fault: SimulatedFault? = nil
    ) throws {
        let bytes = try profile.encoded()
        let signatureBytes = try signatures.map { try $0.encoded() }
        try TillerStore.append(to: path, fault: fault) { file in
            try profile.checkShape(of: file.manifest.configuration)
            if !acceptsOtherSource {
                try profile.checkSource(of: file.manifest)
                try profile.checkHeadBasis(file.headScaling, isFromThere: true)
            }
            let same = file.profiles.filter { $0.name == profile.name }
            guard same.isEmpty || replacesExisting else { throw duplicate(profile.name) }
            return TillerStore.Change(
                removed: same.flatMap { file.sections(of: $0) },
                added: [(.steeringProfile, bytes)] + signatureBytes.map { (.signature, $0) })
        }
    }

    /// Removes the profile of this name.
    /// - Throws: `FormatError` R31 when there is none, `FileError`; the file is then unchanged.
    package static func remove(_ name: String, in path: String, fault: SimulatedFault? = nil) throws {
        try TillerStore.append(to: path, fault: fault) { file in
            TillerStore.Change(removed: file.sections(of: try stored(name, in: file)))
        }
    }

    /// Gives a profile another name.
    /// - Throws: `FormatError` R31, R32, `FileError`; the file is then unchanged.
    package static func rename(
        _ name: String, to newName: String, in path: String, fault: SimulatedFault? = nil
    ) throws {
        try TillerStore.append(to: path, fault: fault) { file in
            let old = try stored(name, in: file)
            guard newName == name || !file.profiles.contains(where: { $0.name == newName }) else {
                throw duplicate(newName)
            }
            var profile = try old.decoded()
            profile.name = newName
            return TillerStore.Change(
                removed: file.sections(of: old), added: [(.steeringProfile, try profile.encoded())])
        }
    }

    private static func stored(_ name: String, in file: TillerFile) throws(FormatError) -> StoredProfile {
        guard let profile = file.profiles.first(where: { $0.name == name }) else {
            let names = file.profiles.map(\.name).joined(separator: ", ")
            throw FormatError(
                .tillerProfileName, found: "no profile \"\(name)\"",
                expected: names.isEmpty ? "a model with profiles" : "one of \(names)")
        }
        return profile
    }

    private static func duplicate(_ name: String) -> FormatError {
        FormatError(
            .tillerDuplicateProfile, found: "a profile \"\(name)\" that exists already",
            expected: "a new name")
    }
}
