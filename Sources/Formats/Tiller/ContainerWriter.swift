// SPDX-License-Identifier: Apache-2.0
// Writes sections one after the other, hashes them at the same time, and ends with the table of contents and the
// footer: the same code serves new files, appends and compaction.

/// A `.tiller` file that is still being written.
///
/// Bytes go to a sink in the order of the file.
struct ContainerWriter {
    /// Receives bytes, at most a few MiB per call.
    typealias Sink = (UnsafeRawBufferPointer) throws -> Void

    private let header: [UInt8]
    private let generation: UInt64
    private let sink: Sink
    /// The continued file; nil for a new file. Free ranges cover its bytes, or zeros that this writer adds.
    private let existing: ByteView?
    private var entries: [SectionEntry] = []
    /// The position of the next byte, counted from the header.
    private(set) var position: Int
    /// The current section.
    private var open: (kind: SectionKind, flags: UInt32, start: Int, hash: SHA256)?

    /// Creates a new file and writes its header.
    init(_ kind: TillerFileKind, generation: UInt64 = 1, sink: @escaping Sink) throws {
        header = TillerLayout.header(kind)
        self.generation = generation
        self.sink = sink
        existing = nil
        position = 0
        try put(header)
    }

    /// Continues after the footer of a file.
    ///
    /// - Parameters:
    ///   - container: The present state.
    ///   - isKept: Whether a section stays valid; other sections become free.
    ///   - sink: Receives the bytes after the old footer.
    init(continuing container: TillerContainer, keeping isKept: (SectionEntry) -> Bool, sink: @escaping Sink)
    {
        header = Array(container.header)
        generation = container.generation &+ 1
        self.sink = sink
        existing = container.view
        position = container.view.count
        for entry in container.entries {
            if entry.kind != .free && isKept(entry) {
                entries.append(entry)
            } else {
                addFree(entry.byteOffset..<entry.paddedEnd)
            }
        }
        // The old table and footer become dead when the new footer is on the disk.
        addFree(container.tableOffset..<container.view.count)
    }

    /// Writes a whole section.
    mutating func add(_ kind: SectionKind, flags: UInt32? = nil, _ bytes: [UInt8]) throws {
        try begin(kind, flags: flags)
        try bytes.withUnsafeBytes { try write($0) }
        try end()
    }

    /// Begins a section at its alignment.
    mutating func begin(_ kind: SectionKind, flags: UInt32? = nil) throws {
        precondition(open == nil, "ContainerWriter: a section is open")
        let start = position.roundedUp(to: kind.alignment)
        if start > position {
            addFree(position..<start)
            try putZeros(start - position)
        }
        open = (kind, flags ?? (kind.isRequired ? SectionEntry.requiredFlag : 0), start, SHA256())
    }

    /// Continues the open section.
    mutating func write(_ bytes: UnsafeRawBufferPointer) throws {
        precondition(open != nil, "ContainerWriter: no section is open")
        unsafe open?.hash.update(bytes.bytes)
        try unsafe put(bytes)
    }

    /// Ends the open section, pads it and returns its digest.
    ///
    /// - Throws: `FormatError` R11 for a section without bytes or beyond its limit.
    @discardableResult
    mutating func end() throws -> SHA256.Digest {
        guard let section = open else { preconditionFailure("ContainerWriter: no section is open") }
        open = nil
        let byteCount = position - section.start
        guard byteCount > 0, byteCount <= section.kind.maximumByteCount else {
            throw FormatError(
                .tillerSectionSize, found: "\(byteCount) bytes of \(section.kind.name)",
                expected: "1 to \(section.kind.maximumByteCount)")
        }
        let digest = section.hash.finalize()
        entries.append(
            SectionEntry(
                kind: section.kind, flags: section.flags, byteOffset: section.start, byteCount: byteCount,
                digest: digest))
        try putZeros(position.roundedUp(to: TillerLayout.alignment) - position)
        return digest
    }

    /// Writes table and footer.
    ///
    /// - Parameters:
    ///   - minimumByteCount: The minimum size of the file, so that it covers the rest of a torn append.
    ///   - sealing: Called after everything except the footer is written, to bring it to the disk first.
    /// - Throws: `FormatError` R5 if there are too many sections.
    mutating func finish(minimumByteCount: Int = 0, sealing: () throws -> Void = {}) throws {
        precondition(open == nil, "ContainerWriter: a section is open")
        let lastIsFree = entries.last?.kind == .free
        let tail =
            (entries.count + (lastIsFree ? 0 : 1)) * TillerLayout.entryByteCount
            + TillerLayout.footerByteCount
        let tableStart = (minimumByteCount - tail).roundedUp(to: TillerLayout.alignment)
        if tableStart > position {
            addFree(position..<tableStart)
            try putZeros(tableStart - position)
        }
        guard (1...TillerLayout.maximumEntryCount).contains(entries.count) else {
            throw FormatError(
                .tillerTablePlace, found: "\(entries.count) sections",
                expected: "1 to \(TillerLayout.maximumEntryCount); compact the file")
        }
        for index in entries.indices where entries[index].kind == .free {
            let range = entries[index].byteOffset..<entries[index].byteOffset + entries[index].byteCount
            entries[index] = .free(range, digest: digest(ofFree: range))
        }
        let tableOffset = position
        let table = TillerLayout.table(entries)
        try put(table)
        try sealing()
        let footer = TillerFooter(
            generation: generation, byteCount: position + TillerLayout.footerByteCount,
            tableOffset: tableOffset,
            entryCount: entries.count, tableDigest: SHA256.digest(of: table))
        try put(footer.encoded(header: header))
    }

    /// Adds a free range, merged with the previous one if they touch.
    private mutating func addFree(_ range: Range<Int>) {
        var start = range.lowerBound
        if let last = entries.last, last.kind == .free {
            start = last.byteOffset
            entries.removeLast()
        }
        entries.append(.free(start..<range.upperBound))
    }

    /// Free bytes are never read, but `verify` must detect a change in any byte of a file.
    private func digest(ofFree range: Range<Int>) -> SHA256.Digest {
        var hash = SHA256()
        let old = range.clamped(to: 0..<(existing?.count ?? 0))
        if let bytes = existing?.slice(old.lowerBound, count: old.count) { hash.update(bytes) }
        var left = range.count - old.count
        let zeros = [UInt8](repeating: 0, count: min(left, 1 << 20))
        while left > 0 {
            hash.update(zeros.span.bytes.extracting(0..<min(left, zeros.count)))
            left -= min(left, zeros.count)
        }
        return hash.finalize()
    }

    private mutating func put(_ bytes: UnsafeRawBufferPointer) throws {
        try unsafe sink(bytes)
        position += bytes.count
    }

    private mutating func put(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try put($0) } }

    private mutating func putZeros(_ count: Int) throws {
        let chunk = [UInt8](repeating: 0, count: min(count, 1 << 20))
        var left = count
        while left > 0 {
            try put(left < chunk.count ? Array(chunk[..<left]) : chunk)
            left -= min(left, chunk.count)
        }
    }
}
