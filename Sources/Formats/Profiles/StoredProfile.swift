// SPDX-License-Identifier: Apache-2.0
// Steering profiles as named bytes. Module Steering interprets them.

/// A profile in a file: its name is known; the rest is read on demand.
package struct StoredProfile: Sendable {
    package let name: String
    /// The digest of its section.
    package var digest: SHA256.Digest { entry.digest }
    let container: TillerContainer
    let entry: SectionEntry

    /// Its section, checked against the digest.
    /// - Throws: `FormatError` R12.
    package func section() throws(FormatError) -> ByteView { try container.checkedCopy(of: entry) }

    /// Checks that each name belongs to only one profile.
    /// - Throws: `FormatError` R32.
    static func checkNames(_ profiles: [StoredProfile]) throws(FormatError) {
        var names: Set<String> = []
        for profile in profiles where !names.insert(profile.name).inserted {
            throw FormatError(
                .tillerDuplicateProfile, found: "\"\(profile.name)\" a second time",
                expected: "each name once",
                byteOffset: profile.container.origin + profile.entry.byteOffset)
        }
    }

    /// Whether `name` is valid as a profile's name: safe in a shell, a URL and a file name.
    package static func isValidName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}

/// An encoded profile, ready to be written.
package struct EncodedProfile: Sendable {
    package let name: String
    /// The bytes of its section.
    package let bytes: [UInt8]

    package init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }
}

extension TillerFile {
    /// A profile's section and the signatures of it alone, which are meaningless without it.
    package func sections(of profile: StoredProfile) -> [SectionEntry] {
        [profile.entry]
            + signatures.filter { $0.signature.scope == .profile && $0.signature.covers(profile.entry) }
            .map(\.entry)
    }
}

/// A file that contains a single profile: the container with one section.
package enum TillerProfileFile {
    /// Reads a profile's section and the signatures in its file that cover it.
    /// - Throws: `FormatError` R1–R13, R30, R31, signature.md R1–R5.
    package static func section(
        in bytes: ByteView
    ) throws(FormatError) -> (section: ByteView, signatures: [Signature]) {
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
        return (section, signatures)
    }

    /// The bytes of a file with this profile.
    /// - Throws: `FormatError` if the profile or a signature breaks a rule.
    package static func bytes(of profile: EncodedProfile, signatures: [Signature]) throws -> [UInt8] {
        var file: [UInt8] = []
        var writer = try ContainerWriter(.profile, sink: { file.append(contentsOf: $0) })
        try writer.add(.steeringProfile, profile.bytes)
        for signature in signatures { try writer.add(.signature, signature.encoded()) }
        try writer.finish()
        return file
    }
}
