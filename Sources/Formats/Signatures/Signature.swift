// SPDX-License-Identifier: Apache-2.0
// A signature's section (formats/signature.md): whose key signed which sections. Its form is checked here, the signature
// itself by module Signing, which the small runtime does without.

/// One signature in a model's or a profile's file.
package struct Signature: Equatable, Sendable {
    /// How sections are signed; the raw value is the section's algorithm.
    package enum Version: UInt32, Sendable {
        /// Digests alone: what kind a section is, the signer leaves open.
        case digests = 1
        /// Kind, flags, size and digest of each section, in their order.
        case sections = 2
    }

    /// What the signer vouches for.
    package enum Scope: UInt32, Sendable {
        /// A whole file.
        case file = 1
        /// One profile, wherever it is.
        case profile = 2
    }

    package let version: Version
    package let scope: Scope
    /// When it was signed, as the signer says, in seconds since 1970; nil in version 1.
    package let date: Int?
    /// What signers call themselves; nobody vouches for it.
    package let signer: String
    /// Ed25519 public key, 32 bytes.
    package let publicKey: [UInt8]
    /// 64 bytes.
    package let signature: [UInt8]
    /// The sections that are signed: in version 1 ascending by their digests' bytes, else in the order of the file.
    package let sections: [SignedSection]

    /// What is to be signed, before it is.
    package init(signer: String, publicKey: [UInt8], scope: Scope, date: Int, sections: [SignedSection]) {
        self.init(
            version: .sections, scope: scope, date: date, signer: signer, publicKey: publicKey, signature: [],
            sections: sections)
    }

    /// The same of version 1, which is still read.
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

    /// The same with the 64 bytes of a signature.
    package func signed(_ signature: [UInt8]) -> Signature {
        Signature(
            version: version, scope: scope, date: date, signer: signer, publicKey: publicKey,
            signature: signature, sections: sections)
    }

    /// Whether a section is one of those that are signed.
    func covers(_ entry: SectionEntry) -> Bool { sections.contains { $0.isSame(as: entry) } }
}

/// A section as its signer saw it.
package struct SignedSection: Hashable, Sendable {
    /// What version 2 signs besides the content.
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

    /// A profile's section as every writer writes it.
    package init(profile bytes: [UInt8]) {
        form = Form(kind: .steeringProfile, flags: 0, byteCount: bytes.count)
        digest = SHA256.digest(of: bytes)
    }

    func isSame(as entry: SectionEntry) -> Bool {
        guard digest == entry.digest else { return false }
        guard let form else { return true }
        return form == Form(kind: entry.kind, flags: entry.flags, byteCount: entry.byteCount)
    }

    /// In words.
    var name: String { form.map(\.kind.name) ?? "\(digest.description.prefix(12))…" }
}

/// A signature in a file.
package struct StoredSignature: Sendable {
    package let signature: Signature
    let entry: SectionEntry
}
