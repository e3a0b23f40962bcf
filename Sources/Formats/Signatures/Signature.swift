// SPDX-License-Identifier: Apache-2.0
// A signature's section (formats/signature.md): the key and the sections that it signed. This module checks its form; module
// Signing verifies the signature itself. The small runtime does without that module.

/// One signature in a model's or a profile's file.
package struct Signature: Equatable, Sendable {
    /// The form of the signed section list; the raw value is the section's algorithm.
    package enum Version: UInt32, Sendable {
        /// Digests alone: the signer does not state the kind of a section.
        case digests = 1
        /// Kind, flags, size and digest of each section, in their order.
        case sections = 2
    }

    /// The extent of a signature.
    package enum Scope: UInt32, Sendable {
        /// A whole file.
        case file = 1
        /// One profile, in any file.
        case profile = 2
    }

    package let version: Version
    package let scope: Scope
    /// The date of the signature, as stated by the signer, in seconds since 1970; nil in version 1.
    package let date: Int?
    /// The name that signers give themselves; it is not verified.
    package let signer: String
    /// Ed25519 public key, 32 bytes.
    package let publicKey: [UInt8]
    /// 64 bytes.
    package let signature: [UInt8]
    /// The signed sections: in version 1 ascending by their digests' bytes, otherwise in the order of the file.
    package let sections: [SignedSection]

    /// Creates the content to sign.
    package init(signer: String, publicKey: [UInt8], scope: Scope, date: Int, sections: [SignedSection]) {
        self.init(
            version: .sections, scope: scope, date: date, signer: signer, publicKey: publicKey, signature: [],
            sections: sections)
    }

    /// The same for version 1, which is still readable.
    package init(signer: String, publicKey: [UInt8], digests: [SHA256.Digest]) {
        let ordered = Set(digests).sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        self.init(
            version: .digests, scope: ordered.count == 1 ? .profile : .file, date: nil, signer: signer,
            publicKey: publicKey, signature: [], sections: ordered.map { SignedSection(digest: $0) })
    }

    init(
        version: Version, scope: Scope, date: Int?, signer: String, publicKey: [UInt8], signature: [UInt8],
        sections: [SignedSection]
    ) {
        (self.version, self.scope, self.date, self.signer) = (version, scope, date, signer)
        (self.publicKey, self.signature, self.sections) = (publicKey, signature, sections)
    }

    /// The same content with the 64 bytes of a signature.
    package func signed(_ signature: [UInt8]) -> Signature {
        Signature(
            version: version, scope: scope, date: date, signer: signer, publicKey: publicKey,
            signature: signature, sections: sections)
    }

    /// Whether a section is one of the signed sections.
    func covers(_ entry: SectionEntry) -> Bool { sections.contains { $0.isSame(as: entry) } }
}

/// A section as it was signed.
package struct SignedSection: Hashable, Sendable {
    /// The data that version 2 signs besides the content.
    package struct Form: Hashable, Sendable {
        package let kind: SectionKind
        package let flags: UInt32
        package let byteCount: Int
    }

    /// Nil in a signature of version 1.
    package let form: Form?
    package let digest: SHA256.Digest

    init(digest: SHA256.Digest) { (form, self.digest) = (nil, digest) }

    init(form: Form, digest: SHA256.Digest) { (self.form, self.digest) = (form, digest) }

    package init(_ entry: SectionEntry) {
        form = Form(kind: entry.kind, flags: entry.flags, byteCount: entry.byteCount)
        digest = entry.digest
    }

    /// A profile's section in the form that every writer uses.
    package init(profile bytes: [UInt8]) {
        form = Form(kind: .steeringProfile, flags: 0, byteCount: bytes.count)
        digest = SHA256.digest(of: bytes)
    }

    func isSame(as entry: SectionEntry) -> Bool {
        guard digest == entry.digest else { return false }
        guard let form else { return true }
        return form == Form(kind: entry.kind, flags: entry.flags, byteCount: entry.byteCount)
    }

    /// A name for error messages.
    var name: String { form.map(\.kind.name) ?? "\(digest.description.prefix(12))…" }
}

/// A signature in a file.
package struct StoredSignature: Sendable {
    package let signature: Signature
    let entry: SectionEntry
}
