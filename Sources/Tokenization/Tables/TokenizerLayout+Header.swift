// SPDX-License-Identifier: Apache-2.0
// The 96-byte header of a tokenizer section (formats/tokenizer.md §3.1): reading with every check, and writing.

extension TokenizerLayout {
    /// Reads and validates a header, so that all offsets derived from it are within the section.
    ///
    /// - Throws: `.header`, `.version`, `.kind`, `.flags`, `.limits`, `.size` or `.specialIds`.
    init(bytes: UnsafeRawBufferPointer) throws(TokenizerError) {
        guard bytes.count >= Self.headerByteCount else {
            throw TokenizerError(
                .header, found: "\(bytes.count) bytes", expected: "at least \(Self.headerByteCount)",
                at: "the section")
        }
        func half(_ offset: Int) -> UInt16 {
            UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
        }
        func word(_ offset: Int) -> UInt32 {
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
        guard word(0) == Self.magic else {
            throw TokenizerError(.header, found: "\(word(0))", expected: "TTOK", at: "the first four bytes")
        }
        guard half(4) == Self.version || half(4) == Self.versionWithRules else {
            throw TokenizerError(
                .version, found: "\(half(4))", expected: "\(Self.version) or \(Self.versionWithRules)",
                at: "the version")
        }
        let hasRules = half(4) == Self.versionWithRules
        guard let kind = TokenizerKind(rawValue: bytes[8]) else {
            throw TokenizerError(.kind, found: "\(bytes[8])", expected: "1 to 3", at: "the kind")
        }
        guard hasRules ? kind != .sentencePieceBPE : kind != .characterBPE else {
            throw TokenizerError(
                .kind, found: "\(bytes[8])", expected: hasRules ? "1 or 3" : "1 or 2", at: "the kind")
        }
        guard let preTokenizer = PreTokenizer(rawValue: bytes[9]),
            (preTokenizer == .none) == (hasRules || kind == .sentencePieceBPE)
        else {
            throw TokenizerError(
                .kind, found: "\(bytes[9])", expected: "one of kind \(kind)", at: "the pre-tokenizer")
        }
        self.kind = kind
        self.preTokenizer = preTokenizer
        flags = Flags(rawValue: half(6))
        longestTokenByteCount = Int(half(10))
        tokenCount = Int(word(12))
        textByteCount = Int(word(16))
        mergeCount = Int(word(20))
        mergeSlotCount = Int(word(24))
        textSlotCount = Int(word(28))
        specialCount = Int(word(32))
        endOfGenerationCount = Int(word(36))
        specialIds = SIMD4(
            Int32(bitPattern: word(40)), Int32(bitPattern: word(44)), Int32(bitPattern: word(48)),
            Int32(bitPattern: word(52)))
        for lane in 0..<4 {
            joinsSpaces[lane] = UInt64(word(64 + 8 * lane)) | UInt64(word(68 + 8 * lane)) << 32
        }
        if hasRules { ruleByteCount = Int(word(56)) }
        try checkFlags()
        try checkLimits()
        guard hasRules || word(56) == 0, word(60) == 0 else {
            throw TokenizerError(
                .size, found: "not zero", expected: "zero",
                at: "the reserved bytes \(hasRules ? 60 : 56) to 63")
        }
        try checkSpecialIds()
        let end = offsets.end
        guard bytes.count == end else {
            throw TokenizerError(
                .size, found: "\(bytes.count) bytes", expected: "\(end), by its header", at: "the section")
        }
    }

    private func checkFlags() throws(TokenizerError) {
        var allowed: Flags = [.addsBeginOfSequence, .addsEndOfSequence]
        allowed.insert(kind == .sentencePieceBPE ? .addsSpacePrefix : .ignoresMerges)
        if ruleByteCount != nil { allowed.formUnion([.usesUnknown, .fusesUnknown]) }
        guard allowed.isSuperset(of: flags) else {
            throw TokenizerError(
                .flags, found: "\(flags.rawValue)", expected: "a subset of \(allowed.rawValue)",
                at: "the flags")
        }
    }

    private func checkLimits() throws(TokenizerError) {
        func check(_ value: Int, in range: ClosedRange<Int>, _ name: String) throws(TokenizerError) {
            guard range.contains(value) else {
                throw TokenizerError(
                    .limits, found: "\(value)", expected: "\(range.lowerBound) to \(range.upperBound)",
                    at: name)
            }
        }
        let hasMerges = kind != .sentencePieceBPE
        try check(tokenCount, in: 1...Self.maximumTokenCount, "the count of tokens")
        try check(textByteCount, in: 0...Self.maximumTextByteCount, "the size of the texts")
        try check(mergeCount, in: 0...(hasMerges ? Self.maximumMergeCount : 0), "the count of merges")
        try check(specialCount, in: 0...tokenCount, "the count of special tokens")
        try check(
            endOfGenerationCount, in: 0...Self.maximumEndOfGenerationCount, "the count of end tokens")
        try check(
            mergeSlotCount, in: TableSlot.count(entries: mergeCount)...TableSlot.count(entries: mergeCount),
            "the size of the merge table")
        try check(ruleByteCount ?? 0, in: 0...Self.maximumRuleByteCount, "the size of the rules")
        let needsTexts = kind != .byteLevelBPE || flags.contains(.ignoresMerges)
        try check(
            textSlotCount, in: 0...(needsTexts ? TableSlot.count(entries: tokenCount) : 0),
            "the size of the text table")
    }

    private func checkSpecialIds() throws(TokenizerError) {
        for (lane, name) in ["begin of sequence", "end of sequence", "unknown", "padding"].enumerated() {
            guard specialIds[lane] >= -1, Int(specialIds[lane]) < tokenCount else {
                throw TokenizerError(
                    .specialIds, found: "\(specialIds[lane])", expected: "a token or -1",
                    at: "the id of \(name)")
            }
        }
        guard specialIds[0] >= 0 || !flags.contains(.addsBeginOfSequence) else {
            throw TokenizerError(
                .specialIds, found: "none", expected: "a token, because it is added",
                at: "the id of begin of sequence")
        }
        guard specialIds[2] >= 0 || !flags.contains(.usesUnknown) else {
            throw TokenizerError(
                .specialIds, found: "none", expected: "a token, because text may need it",
                at: "the id of unknown")
        }
        guard specialIds[1] >= 0 || !flags.contains(.addsEndOfSequence) else {
            throw TokenizerError(
                .specialIds, found: "none", expected: "a token, because it is added",
                at: "the id of end of sequence")
        }
    }

    /// The header's bytes.
    var header: [UInt8] {
        var bytes: [UInt8] = []
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        append(Self.magic)
        append(ruleByteCount == nil ? Self.version : Self.versionWithRules)
        append(flags.rawValue)
        append(kind.rawValue)
        append(preTokenizer.rawValue)
        append(UInt16(longestTokenByteCount))
        for count in [
            tokenCount, textByteCount, mergeCount, mergeSlotCount, textSlotCount, specialCount,
            endOfGenerationCount,
        ] {
            append(UInt32(count))
        }
        for lane in 0..<4 { append(specialIds[lane]) }
        append(UInt64(ruleByteCount ?? 0))
        for lane in 0..<4 { append(joinsSpaces[lane]) }
        return bytes
    }
}
