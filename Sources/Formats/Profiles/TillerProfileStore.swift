// SPDX-License-Identifier: Apache-2.0
// Steering profiles in model files, and alone in files of their own for exchange.

import Platform

/// Adds, removes and renames the profiles of a model file.
package enum TillerProfileStore {
    /// Adds a profile.
    ///
    /// - Parameters:
    ///   - profile: what to add.
    ///   - path: the model file.
    ///   - replacesExisting: whether a profile of the same name may be replaced.
    ///   - acceptsOtherSource: whether it may have been made for another source model, or for the source's heads where
    ///     the file does not know them.
    ///   - signatures: of this profile, which are kept beside it.
    ///   - fault: what goes wrong, for tests.
    /// - Throws: `FormatError` R30–R38, R41, `FileError`; the file is unchanged then.
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
                removed: same.flatMap { sections(of: $0, in: file) },
                added: [(.steeringProfile, bytes)] + signatureBytes.map { (.signature, $0) })
        }
    }

    /// Removes the profile of this name.
    /// - Throws: `FormatError` R31 when there is none, `FileError`; the file is unchanged then.
    package static func remove(_ name: String, in path: String, fault: SimulatedFault? = nil) throws {
        try TillerStore.append(to: path, fault: fault) { file in
            TillerStore.Change(removed: sections(of: try stored(name, in: file), in: file))
        }
    }

    /// Gives a profile another name.
    /// - Throws: `FormatError` R31, R32, `FileError`; the file is unchanged then.
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
                removed: sections(of: old, in: file), added: [(.steeringProfile, try profile.encoded())])
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

    /// A profile's section and the signatures of it alone, which mean nothing without it.
    private static func sections(of profile: StoredProfile, in file: TillerFile) -> [SectionEntry] {
        [profile.entry]
            + file.signatures.filter { $0.signature.scope == .profile && $0.signature.covers(profile.entry) }
            .map(\.entry)
    }

    private static func duplicate(_ name: String) -> FormatError {
        FormatError(
            .tillerDuplicateProfile, found: "a profile \"\(name)\" that exists already",
            expected: "a new name")
    }
}

/// A file that holds one profile and nothing else: the container with one section.
package enum TillerProfileFile {
    /// Reads the profile at `path`.
    /// - Throws: `FileError`, `FormatError`.
    package static func read(_ path: String) throws -> SteeringProfile {
        let mapped = try MappedFile(path: path)
        return try namingFile(path) { () throws(FormatError) in
            try profile(in: ByteView(mapped.bytes, owner: mapped))
        }
    }

    /// Reads a whole file's bytes.
    /// - Throws: `FormatError` R1–R13, R30–R36.
    package static func profile(in bytes: ByteView) throws(FormatError) -> SteeringProfile {
        try content(of: bytes).profile
    }

    /// Reads a profile and those signatures in its file that are of it.
    /// - Throws: as `profile(in:)`, and signature.md R1–R5.
    package static func content(
        of bytes: ByteView
    ) throws(FormatError) -> (profile: SteeringProfile, signatures: [Signature]) {
        let container = try TillerContainer(bytes)
        guard container.kind == .profile else {
            throw FormatError(
                .tillerFileKind, found: "a model", expected: "a steering profile", byteOffset: 12)
        }
        for entry in container.entries where entry.isUnderstood && entry.hasDigest {
            guard [.steeringProfile, .signature, .free].contains(entry.kind) else {
                throw FormatError(
                    .tillerSectionKind, found: "the section \"\(entry.kind.name)\"",
                    expected: "a steering profile alone", byteOffset: container.tableOffset)
            }
            if entry.kind == .free { _ = try container.checkedCopy(of: entry) }
        }
        let sections = try CheckedSections(container)
        guard let entry = try container.optional(.steeringProfile) else {
            throw container.missing(.steeringProfile)
        }
        let section = try container.checkedCopy(of: entry)
        let entries = container.entries.filter { $0.kind == .steeringProfile && $0.isUnderstood }
        let signatures = try sections.signatures().map(\.signature).filter { signature in
            signature.scope == .profile && entries.contains { signature.covers($0) }
        }
        return (try SteeringProfile(section), signatures)
    }

    /// The bytes of a file with this profile.
    /// - Throws: `FormatError` when the profile breaks a rule.
    package static func bytes(of profile: SteeringProfile, signatures: [Signature] = []) throws -> [UInt8] {
        var file: [UInt8] = []
        var writer = try ContainerWriter(.profile, sink: { file.append(contentsOf: $0) })
        try writer.add(.steeringProfile, profile.encoded())
        for signature in signatures { try writer.add(.signature, signature.encoded()) }
        try writer.finish()
        return file
    }

    /// Writes the profile to a new file.
    /// - Throws: `FileError`, `FormatError`; nothing at `path` has changed then.
    package static func write(
        _ profile: SteeringProfile, signatures: [Signature] = [], to path: String, replaceExisting: Bool
    ) throws {
        let bytes = try bytes(of: profile, signatures: signatures)
        let file = try AtomicFileWriter(path: path, replaceExisting: replaceExisting)
        try bytes.withUnsafeBytes { try file.write($0) }
        try file.commit()
    }
}
