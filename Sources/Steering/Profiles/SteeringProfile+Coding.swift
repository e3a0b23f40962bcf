// SPDX-License-Identifier: Apache-2.0
// Converts a profile to its section's bytes and back (formats/tiller.md §7.1); reads and writes profile files.

import Formats
import JSON
import Platform

extension SteeringProfile {
    /// Reads a section's bytes.
    /// - Throws: `FormatError` R30, R31, R33–R36.
    package init(_ section: ByteView) throws(FormatError) {
        let parts = try ProfileSection(section)
        let json = try JSON.parse(parts.text, rule: .tillerProfileText)
        try self.init(json, name: parts.name, hiddenSize: parts.hiddenSize, vectors: parts.vectors)
        try checkVectors(at: parts.vectorsByteOffset)
    }

    /// The section's bytes.
    /// - Throws: `FormatError` R30, R31, R33–R36 when the profile breaks a rule, so that it is never written.
    package func encoded() throws(FormatError) -> [UInt8] {
        let bytes = try ProfileSection.encode(
            name: name, text: json.serializedBytes(), hiddenSize: hiddenSize, vectors: vectors)
        _ = try SteeringProfile(ByteView(copying: bytes))
        return bytes
    }

    /// The profile as a file stores it.
    /// - Throws: `FormatError` R30–R37.
    package func encoded(for model: ModelConfiguration) throws(FormatError) -> EncodedProfile {
        try checkShape(of: model)
        return EncodedProfile(name: name, bytes: try encoded())
    }
}

extension StoredProfile {
    /// Reads and checks the profile.
    /// - Throws: `FormatError` R12, R30–R36.
    package func decoded() throws(FormatError) -> SteeringProfile { try SteeringProfile(section()) }
}

extension TillerFile {
    /// The profile of this name, nil if there is none.
    package func profile(named name: String) throws(FormatError) -> SteeringProfile? {
        guard let stored = profiles.first(where: { $0.name == name }) else { return nil }
        return try stored.decoded()
    }

    /// Compares every section with its digest, the weights included, and decodes every profile.
    ///
    /// - Parameter progress: called with the bytes hashed so far and their total; returns false to stop.
    /// - Returns: false when it was stopped.
    /// - Throws: `FormatError` R12 for damaged bytes, R39, or what `SteeringProfile` throws.
    package func verify(progress: (Int, Int) -> Bool = { _, _ in true }) throws(FormatError) -> Bool {
        guard try verifyDigests(progress: progress) else { return false }
        for profile in profiles { _ = try profile.decoded() }
        _ = try calibration()
        return true
    }
}

extension TillerProfileFile {
    /// Reads the profile at `path`.
    /// - Throws: `FileError`, `FormatError`.
    package static func read(_ path: String) throws -> SteeringProfile {
        let mapped = try MappedFile(path: path)
        return try namingFile(path) { () throws(FormatError) in
            try profile(in: ByteView(mapped.bytes, owner: mapped))
        }
    }

    /// Reads a profile from the bytes of a whole file.
    /// - Throws: `FormatError` R1–R13, R30–R36.
    package static func profile(in bytes: ByteView) throws(FormatError) -> SteeringProfile {
        try content(of: bytes).profile
    }

    /// Reads a profile and the signatures of it in its file.
    /// - Throws: as `profile(in:)`, and signature.md R1–R5.
    package static func content(
        of bytes: ByteView
    ) throws(FormatError) -> (profile: SteeringProfile, signatures: [Signature]) {
        let (section, signatures) = try section(in: bytes)
        return (try SteeringProfile(section), signatures)
    }

    /// The bytes of a file with this profile.
    /// - Throws: `FormatError` when the profile breaks a rule.
    package static func bytes(of profile: SteeringProfile, signatures: [Signature] = []) throws -> [UInt8] {
        try bytes(
            of: EncodedProfile(name: profile.name, bytes: profile.encoded()), signatures: signatures)
    }

    /// Writes the profile to a new file.
    /// - Throws: `FileError`, `FormatError`; `path` is then unchanged.
    package static func write(
        _ profile: SteeringProfile, signatures: [Signature] = [], to path: String, replaceExisting: Bool
    ) throws {
        let bytes = try bytes(of: profile, signatures: signatures)
        try AtomicFileWriter.write(bytes, to: path, replaceExisting: replaceExisting)
    }
}
