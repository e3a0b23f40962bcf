// SPDX-License-Identifier: Apache-2.0
// The bytes of a signature's section, and the signed bytes (formats/signature.md §2).

extension Signature {
    static let fixedByteCount = 128
    static let maximumNameByteCount = 256

    /// The signed bytes: everything except the signature, after a title that is unique to the version.
    package var message: [UInt8] { Array("tiller signature \(version.rawValue)\n".utf8) + head + tail }

    private var head: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: version.rawValue)
        bytes.append(littleEndian: UInt32(sections.count))
        bytes.append(littleEndian: UInt32(signer.utf8.count))
        bytes.append(littleEndian: version == .digests ? 0 : scope.rawValue)
        return bytes + publicKey
    }

    private var tail: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt64(date ?? 0))
        bytes.append(littleEndian: UInt64(0))
        for section in sections {
            if let form = section.form {
                bytes.append(littleEndian: form.kind.rawValue)
                bytes.append(littleEndian: form.flags)
                bytes.append(littleEndian: UInt64(form.byteCount))
            }
            bytes += section.digest.bytes
        }
        return bytes + Array(signer.utf8)
    }

    /// The section's bytes.
    /// - Throws: `FormatError` of signature.md if a rule is broken, so that an invalid section is never written.
    package func encoded() throws(FormatError) -> [UInt8] {
        let bytes = head + signature + tail
        _ = try Signature(ByteView(copying: bytes))
        return bytes
    }

    /// Reads a section's bytes, without verifying the signature.
    /// - Throws: `FormatError` signature.md R1–R5.
    package init(_ section: ByteView) throws(FormatError) {
        func refuse(_ rule: FormatRule, _ found: String, _ expected: String, at offset: Int) -> FormatError {
            FormatError(rule, found: found, expected: expected, byteOffset: section.byteOffset + offset)
        }
        guard section.count >= Self.fixedByteCount else {
            throw refuse(.signatureSize, "\(section.count) bytes", "at least \(Self.fixedByteCount)", at: 0)
        }
        let algorithm = section.load(UInt32.self, at: 0)
        guard let version = Version(rawValue: algorithm) else {
            throw refuse(.signatureAlgorithm, "algorithm \(algorithm)", "1 or 2 (Ed25519)", at: 0)
        }
        let count = Int(section.load(UInt32.self, at: 4))
        let nameByteCount = Int(section.load(UInt32.self, at: 8))
        let sectionByteCount = version == .digests ? 32 : 48
        guard (1...TillerLayout.maximumEntryCount).contains(count),
            nameByteCount <= Self.maximumNameByteCount,
            section.count == Self.fixedByteCount + sectionByteCount * count + nameByteCount
        else {
            throw refuse(
                .signatureSize,
                "\(count) sections and a name of \(nameByteCount) bytes in \(section.count)",
                "sizes within the limits that fill the section", at: 4)
        }
        let reserved = version == .digests ? Array(12..<16) + Array(112..<128) : Array(120..<128)
        for position in reserved where section[position] != 0 {
            throw refuse(.signatureReserved, "byte \(section[position])", "0", at: position)
        }
        let nameOffset = Self.fixedByteCount + sectionByteCount * count
        guard let name = section.slice(nameOffset, count: nameByteCount)?.text,
            !name.unicodeScalars.contains(where: { $0.value < 32 || (0x7F...0x9F).contains($0.value) })
        else {
            throw refuse(.signatureName, "other bytes", "UTF-8 without control characters", at: nameOffset)
        }
        switch version {
        case .digests:
            let digests = (0..<count).map { SHA256.Digest(section, at: Self.fixedByteCount + 32 * $0) }
            for (index, pair) in zip(digests, digests.dropFirst()).enumerated()
            where !pair.0.bytes.lexicographicallyPrecedes(pair.1.bytes) {
                throw refuse(
                    .signatureSections, "\(pair.1) after \(pair.0)", "each once, ascending",
                    at: Self.fixedByteCount + 32 * (index + 1))
            }
            self.init(signer: name, publicKey: Array(section[16..<48]), digests: digests)
            self = signed(Array(section[48..<112]))
        case .sections:
            let (scope, sections) = try Self.sections(section, count: count)
            self.init(
                version: version, scope: scope,
                date: Int(clamping: section.load(UInt64.self, at: 112)), signer: name,
                publicKey: Array(section[16..<48]), signature: Array(section[48..<112]), sections: sections)
        }
    }

    /// The section list that version 2 signs.
    private static func sections(
        _ section: ByteView, count: Int
    ) throws(FormatError) -> (Scope, [SignedSection]) {
        func refuse(_ found: String, _ expected: String, at offset: Int) -> FormatError {
            FormatError(
                .signatureSections, found: found, expected: expected, byteOffset: section.byteOffset + offset)
        }
        let number = section.load(UInt32.self, at: 12)
        guard let scope = Scope(rawValue: number) else {
            throw refuse("scope \(number)", "1 (file) or 2 (profile)", at: 12)
        }
        var sections: [SignedSection] = []
        for index in 0..<count {
            let offset = fixedByteCount + 48 * index
            let kind = SectionKind(rawValue: section.load(UInt32.self, at: offset))
            let byteCount = section.load(UInt64.self, at: offset + 8)
            guard kind != .free, kind != .signature,
                (1...UInt64(TillerLayout.maximumFileByteCount)).contains(byteCount)
            else {
                throw refuse(
                    "\(byteCount) bytes of \(kind.name)", "neither free sections nor signatures", at: offset)
            }
            sections.append(
                SignedSection(
                    form: .init(
                        kind: kind, flags: section.load(UInt32.self, at: offset + 4),
                        byteCount: Int(byteCount)),
                    digest: SHA256.Digest(section, at: offset + 16)))
        }
        guard scope == .file || (count == 1 && sections[0].form?.kind == .steeringProfile) else {
            throw refuse("\(count) sections, the first of \(sections[0].name)", "one profile", at: 4)
        }
        return (scope, sections)
    }
}
