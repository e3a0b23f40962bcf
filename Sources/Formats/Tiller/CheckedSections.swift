// SPDX-License-Identifier: Apache-2.0
// Another program may overwrite a file while it is mapped, so a check of mapped bytes does not hold for later reads.
// Sections that contain offsets are copied; the copy is compared with its digest and then read.

/// Checked copies of a container's sections.
///
/// Weights stay mapped: they contain no offsets. Profiles and calibration statistics are copied again when they are read, so
/// that a file with many of them takes no memory.
struct CheckedSections {
    private let container: TillerContainer
    /// Copies by the position of the section.
    private var copies: [Int: ByteView] = [:]
    /// The profiles, in the order of the file; names may repeat.
    private(set) var profiles: [StoredProfile] = []

    /// Copies and checks all sections that this version reads.
    /// - Throws: `FormatError` R12, R30, R31.
    init(_ container: TillerContainer) throws(FormatError) {
        self.container = container
        // The weights are by far the largest; `TillerFile.verify` hashes them.
        for entry in container.entries
        where entry.isUnderstood && entry.kind != .weights && entry.kind != .free {
            let copy = try container.checkedCopy(of: entry)
            switch entry.kind {
            case .steeringProfile:
                profiles.append(
                    StoredProfile(name: try ProfileLayout(copy).name, container: container, entry: entry))
            case .calibrationStatistics: break
            default: copies[entry.byteOffset] = copy
            }
        }
    }

    /// The only section of a kind, or nil if there is none.
    /// - Throws: `FormatError` R10 if there are several.
    func optional(_ kind: SectionKind) throws(FormatError) -> ByteView? {
        try container.optional(kind).map { view(of: $0) }
    }

    /// The only section of a kind.
    /// - Throws: `FormatError` R10 if there is none, or several.
    func required(_ kind: SectionKind) throws(FormatError) -> ByteView {
        guard let view = try optional(kind) else { throw container.missing(kind) }
        return view
    }

    /// All signatures.
    /// - Throws: `FormatError` signature.md R1–R5.
    func signatures() throws(FormatError) -> [StoredSignature] {
        var result: [StoredSignature] = []
        for entry in container.entries where entry.kind == .signature && entry.isUnderstood {
            result.append(StoredSignature(signature: try Signature(view(of: entry)), entry: entry))
        }
        return result
    }

    private func view(of entry: SectionEntry) -> ByteView {
        guard let copy = copies[entry.byteOffset] else {
            preconditionFailure("CheckedSections: the \(entry.kind.name) is not kept")
        }
        return copy
    }
}

extension TillerContainer {
    /// A copy of a section in memory of our own, compared with its digest.
    /// - Throws: `FormatError` R12.
    func checkedCopy(of entry: SectionEntry) throws(FormatError) -> ByteView {
        let copy = bytes(of: entry).copied()
        guard SHA256.digest(of: copy) == entry.digest else { throw digestError(entry) }
        return copy
    }

    func digestError(_ entry: SectionEntry) -> FormatError {
        FormatError(
            .tillerSectionDigest, found: "changed bytes in the \(entry.kind.name)",
            expected: "SHA-256 \(entry.digest)", byteOffset: origin + entry.byteOffset)
    }

    /// The only section of a kind, or nil if there is none.
    /// - Throws: `FormatError` R10 if there are several.
    func optional(_ kind: SectionKind) throws(FormatError) -> SectionEntry? {
        let found = entries.filter { $0.kind == kind && $0.isUnderstood }
        guard found.count <= 1 else {
            throw FormatError(
                .tillerSectionCount, found: "\(found.count) sections \"\(kind.name)\"",
                expected: "at most one",
                byteOffset: origin + tableOffset)
        }
        return found.first
    }

    func missing(_ kind: SectionKind) -> FormatError {
        FormatError(
            .tillerSectionCount, found: "no section \"\(kind.name)\"", expected: "one",
            byteOffset: origin + tableOffset)
    }
}
