// SPDX-License-Identifier: Apache-2.0
// A signature's section (formats/signature.md): whose key signed which sections. Its form is checked here, the signature
// itself by module Signing, which the small runtime does without.

/// One signature in a model's or a profile's file.
package struct Signature: Equatable, Sendable {
    /// What signers call themselves; nobody vouches for it.
    package let signer: String
    /// Ed25519 public key, 32 bytes.
    package let publicKey: [UInt8]
    /// 64 bytes.
    package let signature: [UInt8]
    /// The sections that are signed, in ascending order of their digests' bytes.
    package let digests: [SHA256.Digest]

    static let fixedByteCount = 128
    static let maximumNameByteCount = 256

    /// What is to be signed, before it is.
    package init(signer: String, publicKey: [UInt8], digests: [SHA256.Digest]) {
        self.init(signer: signer, publicKey: publicKey, signature: [], digests: digests)
    }

    private init(signer: String, publicKey: [UInt8], signature: [UInt8], digests: [SHA256.Digest]) {
        self.signer = signer
        self.publicKey = publicKey
        self.signature = signature
        self.digests = Set(digests).sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    }

    /// The same with the 64 bytes of a signature.
    package func signed(_ signature: [UInt8]) -> Signature {
        Signature(signer: signer, publicKey: publicKey, signature: signature, digests: digests)
    }

    /// The bytes that are signed: all but the signature.
    package var message: [UInt8] { Array("tiller signature 1\n".utf8) + head + tail }

    private var head: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt32(1))
        bytes.append(littleEndian: UInt32(digests.count))
        bytes.append(littleEndian: UInt32(signer.utf8.count))
        bytes.append(littleEndian: UInt32(0))
        return bytes + publicKey
    }

    private var tail: [UInt8] {
        [UInt8](repeating: 0, count: 16) + digests.flatMap(\.bytes) + Array(signer.utf8)
    }

    /// The section's bytes.
    /// - Throws: `FormatError` of signature.md for what breaks a rule, so that it is never written.
    package func encoded() throws(FormatError) -> [UInt8] {
        let bytes = head + signature + tail
        _ = try Signature(ByteView(copying: bytes))
        return bytes
    }

    /// Reads a section's bytes; whether the signature is valid remains to be seen.
    /// - Throws: `FormatError` signature.md R1–R5.
    package init(_ section: ByteView) throws(FormatError) {
        func refuse(_ rule: FormatRule, _ found: String, _ expected: String, at offset: Int) -> FormatError {
            FormatError(rule, found: found, expected: expected, byteOffset: section.byteOffset + offset)
        }
        guard section.count >= Self.fixedByteCount else {
            throw refuse(.signatureSize, "\(section.count) bytes", "at least \(Self.fixedByteCount)", at: 0)
        }
        guard section.load(UInt32.self, at: 0) == 1 else {
            throw refuse(
                .signatureAlgorithm, "algorithm \(section.load(UInt32.self, at: 0))", "1 (Ed25519)", at: 0)
        }
        let digestCount = Int(section.load(UInt32.self, at: 4))
        let nameByteCount = Int(section.load(UInt32.self, at: 8))
        guard (1...TillerLayout.maximumEntryCount).contains(digestCount),
            nameByteCount <= Self.maximumNameByteCount,
            section.count == Self.fixedByteCount + 32 * digestCount + nameByteCount
        else {
            throw refuse(
                .signatureSize,
                "\(digestCount) digests and a name of \(nameByteCount) bytes in \(section.count)",
                "sizes within the limits that fill the section", at: 4)
        }
        for position in Array(12..<16) + Array(112..<128) where section[position] != 0 {
            throw refuse(.signatureReserved, "byte \(section[position])", "0", at: position)
        }
        let nameOffset = Self.fixedByteCount + 32 * digestCount
        guard let name = section.slice(nameOffset, count: nameByteCount)?.text,
            !name.unicodeScalars.contains(where: { $0.value < 32 || (0x7F...0x9F).contains($0.value) })
        else {
            throw refuse(.signatureName, "other bytes", "UTF-8 without control characters", at: nameOffset)
        }
        let digests = (0..<digestCount).map { SHA256.Digest(section, at: Self.fixedByteCount + 32 * $0) }
        for (index, pair) in zip(digests, digests.dropFirst()).enumerated()
        where !pair.0.bytes.lexicographicallyPrecedes(pair.1.bytes) {
            throw refuse(
                .signatureDigests, "\(pair.1) behind \(pair.0)", "each once, ascending",
                at: Self.fixedByteCount + 32 * (index + 1))
        }
        self.init(
            signer: name, publicKey: Array(section[16..<48]), signature: Array(section[48..<112]),
            digests: digests)
    }
}

extension TillerFile {
    /// The sections that a signature of the whole file covers: all but free ones and signatures.
    package var signableDigests: [SHA256.Digest] {
        container.entries.filter { $0.kind != .free && $0.kind != .signature }.map(\.digest)
    }

    /// What a signature says of the file as it is now: sections added since, and how many of the signed ones are gone.
    package func difference(from signature: Signature) -> (added: [String], missingCount: Int) {
        let signed = Set(signature.digests)
        let names = Dictionary(profiles.map { ($0.digest, "profile '\($0.name)'") }) { first, _ in first }
        let added = container.entries.filter {
            $0.kind != .free && $0.kind != .signature && !signed.contains($0.digest)
        }
        let present = Set(signableDigests)
        return (
            added.map { names[$0.digest] ?? $0.kind.name },
            signed.filter { !present.contains($0) }.count
        )
    }
}

extension TillerStore {
    /// Appends a signature; one by the same key of the same sections is replaced.
    package static func add(_ signature: Signature, in path: String) throws {
        let bytes = try signature.encoded()
        try append(to: path) { file in
            let same = file.signatures.filter {
                $0.signature.publicKey == signature.publicKey && $0.signature.digests == signature.digests
            }
            return Change(removed: same.map(\.entry), added: [(.signature, bytes)])
        }
    }
}

/// A signature in a file.
package struct StoredSignature: Sendable {
    package let signature: Signature
    let entry: SectionEntry
}

extension TillerContainer {
    /// All signatures.
    /// - Throws: `FormatError` signature.md R1–R5.
    func signatures() throws(FormatError) -> [StoredSignature] {
        var result: [StoredSignature] = []
        for entry in entries where entry.kind == .signature && entry.isUnderstood {
            result.append(StoredSignature(signature: try Signature(bytes(of: entry)), entry: entry))
        }
        return result
    }
}
