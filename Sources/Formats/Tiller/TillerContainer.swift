// SPDX-License-Identifier: Apache-2.0
// The sections of a `.tiller` file, found from its end (formats/tiller.md §2): the last valid footer gives
// the position of the table of contents, and the table accounts for every byte before it.

/// A validated table of contents over the file's bytes. Header, table and footer are read from copies; see `CheckedSections`.
struct TillerContainer: Sendable {
    let kind: TillerFileKind
    let version: FormatVersion
    let generation: UInt64
    /// The start of the model in the file: 0, or a position after an executable.
    let origin: Int
    /// The model, from header to footer; offsets of errors are those of the file.
    let view: ByteView
    /// The header's bytes.
    let header: ByteView
    /// The part before the model: empty, or an executable.
    let prefix: ByteView
    /// The sections, in the order of their bytes.
    let entries: [SectionEntry]
    /// The position of the table of contents.
    let tableOffset: Int
    /// Bytes after the footer: an incomplete append.
    let tornByteCount: Int

    /// Finds and checks header, footer and table of contents, but no section's content.
    /// - Throws: `FormatError` R1–R11, R13, R14.
    init(_ file: ByteView) throws(FormatError) {
        let isPlain = file.starts(with: TillerLayout.headerMagic)
        if isPlain { _ = try Self.header(file, origin: 0) }
        guard isPlain || Self.isExecutable(file) else {
            throw FormatError(
                .tillerMagic, found: "the first bytes \(Array(file.prefix(8)))",
                expected: "\(TillerLayout.headerMagic), \"\\x89TILLER\\n\"", byteOffset: 0)
        }
        let (footer, header, position) = try Self.lastFooter(file, isPlain: isPlain)
        origin = position + TillerLayout.footerByteCount - Int(footer.byteCount)
        (version, kind) = try Self.header(header, origin: 0)
        self.header = header
        generation = footer.generation
        tornByteCount = file.count - position - TillerLayout.footerByteCount

        guard let view = file.slice(origin, count: Int(footer.byteCount)),
            let prefix = file.slice(0, count: origin)
        else {
            preconditionFailure("TillerContainer: the footer was found inside")
        }
        self.view = view
        self.prefix = prefix
        tableOffset = try Self.tableOffset(footer, in: view)
        let tableByteCount = Int(footer.entryCount) * TillerLayout.entryByteCount
        guard let table = view.slice(tableOffset, count: tableByteCount)?.copied() else {
            preconditionFailure("TillerContainer: the table was found inside")
        }
        guard SHA256.digest(of: table) == footer.tableDigest else {
            throw FormatError(
                .tillerTableDigest, found: "changed bytes", expected: "the footer's digest",
                byteOffset: table.byteOffset)
        }
        entries = try Self.entries(table, tableOffset: tableOffset, version: version)
        try checkPadding()
    }

    /// A section's bytes.
    func bytes(of entry: SectionEntry) -> ByteView {
        guard let bytes = view.slice(entry.byteOffset, count: entry.byteCount) else {
            preconditionFailure("TillerContainer: a section of another file")
        }
        return bytes
    }
}

// MARK: - Header and footer

extension TillerContainer {
    /// Whether the file begins with the magic number of ELF or Mach-O, as a bundle does.
    private static func isExecutable(_ file: ByteView) -> Bool {
        file.starts(with: [0x7F, 0x45, 0x4C, 0x46]) || file.starts(with: [0xCF, 0xFA, 0xED, 0xFE])
    }

    private static func header(
        _ file: ByteView, origin: Int
    ) throws(FormatError) -> (FormatVersion, TillerFileKind) {
        guard let header = file.slice(origin, count: TillerLayout.headerByteCount) else {
            throw FormatError(
                .tillerFooter, found: "a file of \(file.count) bytes",
                expected: "at least a header and a footer",
                byteOffset: file.count)
        }
        let version = FormatVersion(
            major: header.load(UInt16.self, at: 8), minor: header.load(UInt16.self, at: 10))
        guard version.major == FormatVersion.current.major else {
            throw FormatError(
                .tillerVersion, found: "version \(version)",
                expected: "\(FormatVersion.current.major).x; another Tiller wrote this file",
                byteOffset: header.byteOffset + 8)
        }
        let number = header.load(UInt32.self, at: 12)
        guard let kind = TillerFileKind(rawValue: number) else {
            throw FormatError(
                .tillerFileKind, found: "file kind \(number)", expected: "1 (model) or 2 (steering profile)",
                byteOffset: header.byteOffset + 12)
        }
        return (version, kind)
    }

    /// The valid footer nearest to the file's end, the header that it belongs to, and its position.
    private static func lastFooter(
        _ file: ByteView, isPlain: Bool
    ) throws(FormatError) -> (TillerFooter, header: ByteView, position: Int) {
        let size = TillerLayout.footerByteCount
        let magic = TillerLayout.footerMagic.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        var position = (file.count - size) & ~(TillerLayout.alignment - 1)
        let lowest = max(TillerLayout.headerByteCount, position - TillerLayout.maximumTornByteCount)
        while position >= lowest {
            if file.load(UInt64.self, at: position) == magic,
                let view = file.slice(position, count: size)?.copied()
            {
                // The length gives the position of the header, and the checksum includes the header.
                let byteCount = view.load(UInt64.self, at: 16)
                if byteCount <= UInt64(position + size) {
                    let origin = position + size - Int(byteCount)
                    let isPossible = isPlain ? origin == 0 : origin % TillerLayout.weightsAlignment == 0
                    if isPossible,
                        let header = file.slice(origin, count: TillerLayout.headerByteCount)?.copied(),
                        header.starts(with: TillerLayout.headerMagic),
                        let footer = TillerFooter(view, header: header)
                    {
                        return (footer, header, position)
                    }
                }
            }
            position -= TillerLayout.alignment
        }
        throw FormatError(
            isPlain ? .tillerFooter : .tillerMagic,
            found: isPlain ? "no valid footer in the last bytes" : "an executable without an appended model",
            expected: "a footer in the last \(TillerLayout.maximumTornByteCount >> 20) MiB",
            byteOffset: file.count)
    }

    /// The position of the table, which directly precedes the footer.
    private static func tableOffset(_ footer: TillerFooter, in view: ByteView) throws(FormatError) -> Int {
        let tableByteCount = Int(footer.entryCount) * TillerLayout.entryByteCount
        let offset = view.count - TillerLayout.footerByteCount - tableByteCount
        guard footer.entryCount > 0, footer.entryCount <= TillerLayout.maximumEntryCount,
            offset > TillerLayout.headerByteCount, footer.tableOffset == UInt64(offset),
            view.count <= TillerLayout.maximumFileByteCount
        else {
            throw FormatError(
                .tillerTablePlace, found: "\(footer.entryCount) sections listed at \(footer.tableOffset)",
                expected:
                    "1 to \(TillerLayout.maximumEntryCount) sections, listed directly before the footer",
                byteOffset: view.byteOffset + view.count - TillerLayout.footerByteCount + 24)
        }
        return offset
    }
}

// MARK: - Table of contents

extension TillerContainer {
    private static func entries(
        _ table: ByteView, tableOffset: Int, version: FormatVersion
    ) throws(FormatError) -> [SectionEntry] {
        var entries: [SectionEntry] = []
        entries.reserveCapacity(table.count / TillerLayout.entryByteCount)
        var end = TillerLayout.headerByteCount
        for position in stride(from: 0, to: table.count, by: TillerLayout.entryByteCount) {
            let offset = table.load(UInt64.self, at: position + 8)
            let byteCount = table.load(UInt64.self, at: position + 16)
            guard offset == UInt64(end), byteCount > 0, byteCount <= UInt64(tableOffset - end) else {
                throw FormatError(
                    .tillerCoverage, found: "\(byteCount) bytes from \(offset)",
                    expected: "a section from \(end) that ends before \(tableOffset)",
                    byteOffset: table.byteOffset + position + 8)
            }
            let entry = SectionEntry(
                kind: SectionKind(rawValue: table.load(UInt32.self, at: position)),
                flags: table.load(UInt32.self, at: position + 4), byteOffset: end, byteCount: Int(byteCount),
                digest: SHA256.Digest(table, at: position + 32))
            try check(entry, at: table.byteOffset + position, version: version)
            end = entry.paddedEnd
            entries.append(entry)
        }
        guard end == tableOffset else {
            throw FormatError(
                .tillerCoverage, found: "sections that end at \(end)",
                expected: "at \(tableOffset), the table's place",
                byteOffset: table.byteOffset)
        }
        return entries
    }

    /// Checks a single entry by itself.
    private static func check(
        _ entry: SectionEntry, at byteOffset: Int, version: FormatVersion
    ) throws(FormatError) {
        if !entry.isUnderstood && (entry.kind.isRequired || entry.kind == .free) {
            throw FormatError(
                .tillerSectionFlags, found: "flags \(entry.flags) of the \(entry.kind.name)",
                expected: "flags of version \(FormatVersion.current)", byteOffset: byteOffset + 4)
        }
        guard entry.isUnderstood || !entry.isRequired else {
            throw FormatError(
                .tillerSectionKind,
                found:
                    "the required section \"\(entry.kind.name)\", flags \(entry.flags), in a file of version \(version)",
                expected: "sections of version \(FormatVersion.current); a newer Tiller may read it",
                byteOffset: byteOffset)
        }
        guard entry.byteCount <= entry.kind.maximumByteCount else {
            throw FormatError(
                .tillerSectionSize, found: "\(entry.byteCount) bytes of \(entry.kind.name)",
                expected: "at most \(entry.kind.maximumByteCount)", byteOffset: byteOffset + 16)
        }
        guard entry.byteOffset % entry.kind.alignment == 0 else {
            throw FormatError(
                .tillerWeightsAlignment, found: "weights at \(entry.byteOffset)",
                expected: "a multiple of \(entry.kind.alignment)", byteOffset: byteOffset + 8)
        }
    }

    /// Bytes between a section and the next multiple of 64 are zero: nothing can hide there.
    private func checkPadding() throws(FormatError) {
        for entry in entries {
            let end = entry.byteOffset + entry.byteCount
            for position in end..<entry.paddedEnd where view[position] != 0 {
                throw FormatError(
                    .tillerPadding, found: "byte \(view[position]) after the \(entry.kind.name)",
                    expected: "0",
                    byteOffset: origin + position)
            }
        }
    }
}
