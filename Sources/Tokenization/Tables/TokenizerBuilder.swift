// SPDX-License-Identifier: Apache-2.0
// Builds the bytes of a tokenizer section from a vocabulary, once, when a model is converted.

/// Writes the tables that `Tokenizer` uses in place.
package struct TokenizerBuilder {
    private let vocabulary: Vocabulary
    /// The text of each token: bytes for normal tokens, the written form for the others.
    private let texts: [[UInt8]]

    /// The maximum number of tokens, and of merges, in a section.
    package static let maximumCount = min(
        TokenizerLayout.maximumTokenCount, TokenizerLayout.maximumMergeCount)

    package init(vocabulary: Vocabulary) {
        self.vocabulary = vocabulary
        texts = zip(vocabulary.texts, vocabulary.types).map { text, type in
            Self.bytes(of: text, type: type, kind: vocabulary.kind)
        }
    }

    /// The bytes of the section.
    ///
    /// - Throws: the rule of formats/tokenizer.md that the vocabulary breaks.
    package func build() throws(TokenizerError) -> [UInt8] {
        try checkCounts()
        let merges = try packedMerges()
        let special = specialTokens()
        let textTable = try textTable()
        let rules = try vocabulary.rules?.bytes() ?? []
        let endOfGeneration = Set(vocabulary.endOfGeneration).sorted()
        let layout = TokenizerLayout(
            kind: vocabulary.kind, preTokenizer: vocabulary.preTokenizer, flags: flags,
            tokenCount: texts.count, textByteCount: texts.reduce(0) { $0 + $1.count },
            longestTokenByteCount: texts.reduce(0) { max($0, $1.count) },
            endOfGenerationCount: endOfGeneration.count, specialCount: special.count,
            textSlotCount: textTable.count, mergeCount: merges.entries.count,
            mergeSlotCount: merges.slots.count,
            specialIds: SIMD4(
                vocabulary.beginOfSequence ?? -1, vocabulary.endOfSequence ?? -1, vocabulary.unknown ?? -1,
                vocabulary.padding ?? -1),
            joinsSpaces: joinsSpaces, ruleByteCount: vocabulary.rules == nil ? nil : rules.count)

        var output = SectionWriter(header: layout.header)
        output.append(merges.entries)
        output.append(merges.slots)
        output.append(textTable)
        output.append(textOffsets())
        output.append(vocabulary.kind == .sentencePieceBPE ? vocabulary.scores.map(\.bitPattern) : [])
        output.append(byteTokens())
        output.append(firstByteIndices(of: special))
        output.append(special)
        output.append(endOfGeneration)
        output.append(vocabulary.types.map(\.rawValue))
        output.append(texts.flatMap(\.self))
        output.append(rules)
        // The reader's own checks validate the result.
        let error = output.bytes.withUnsafeBytes { bytes -> TokenizerError? in
            do throws(TokenizerError) {
                _ = try Tokenizer(bytes: bytes, owner: nil)
                return nil
            } catch {
                return error
            }
        }
        if let error { throw error }
        return output.bytes
    }

    private var flags: TokenizerLayout.Flags {
        var flags: TokenizerLayout.Flags = []
        if vocabulary.addsBeginOfSequence { flags.insert(.addsBeginOfSequence) }
        if vocabulary.addsEndOfSequence { flags.insert(.addsEndOfSequence) }
        if vocabulary.addsSpacePrefix { flags.insert(.addsSpacePrefix) }
        if vocabulary.ignoresMerges { flags.insert(.ignoresMerges) }
        if vocabulary.rules != nil && vocabulary.usesUnknown { flags.insert(.usesUnknown) }
        if vocabulary.rules != nil && vocabulary.fusesUnknown { flags.insert(.fusesUnknown) }
        return flags
    }

    /// The bytes that precede spaces inside tokens; with rules, those that precede the mark for a space.
    private var joinsSpaces: SIMD4<UInt64> {
        var set = SIMD4<UInt64>()
        func insert(_ byte: UInt8) { set[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }
        switch vocabulary.kind {
        case .byteLevelBPE: break
        case .sentencePieceBPE:
            for id in findableTokens {
                for (byte, next) in zip(texts[id], texts[id].dropFirst()) where next == 0x20 { insert(byte) }
            }
            insert(0x20)
        case .characterBPE:
            // If a whole piece may be a token, or the mark is unknown and joins others, no cut is safe.
            guard !vocabulary.ignoresMerges, findableTokens.contains(where: { texts[$0] == SpaceMark.bytes })
            else {
                return SIMD4(repeating: .max)
            }
            for text in texts where text.count > SpaceMark.bytes.count {
                for match in TextSearch(SpaceMark.bytes).matches(in: text.span, text.indices)
                where match.lowerBound > 0 {
                    insert(text[match.lowerBound - 1])
                }
            }
            SpaceMark.bytes.suffix(1).forEach(insert)
        }
        return set
    }

    private func checkCounts() throws(TokenizerError) {
        func check(_ count: Int, _ expected: Int, _ name: String) throws(TokenizerError) {
            guard count == expected else {
                throw TokenizerError(.limits, found: "\(count)", expected: "\(expected)", at: name)
            }
        }
        let count = vocabulary.texts.count
        guard 1...TokenizerLayout.maximumTokenCount ~= count else {
            throw TokenizerError(
                .limits, found: "\(count)", expected: "1 to \(TokenizerLayout.maximumTokenCount)",
                at: "the count of tokens")
        }
        try check(vocabulary.types.count, count, "the count of types")
        if vocabulary.kind == .sentencePieceBPE {
            try check(vocabulary.scores.count, count, "the count of scores")
            try check(vocabulary.merges.count, 0, "the count of merges")
        }
        guard vocabulary.merges.count <= TokenizerLayout.maximumMergeCount else {
            throw TokenizerError(
                .limits, found: "\(vocabulary.merges.count)",
                expected: "at most \(TokenizerLayout.maximumMergeCount)", at: "the count of merges")
        }
        let byteCount = texts.reduce(0) { $0 + $1.count }
        guard byteCount <= TokenizerLayout.maximumTextByteCount else {
            throw TokenizerError(
                .limits, found: "\(byteCount)", expected: "at most \(TokenizerLayout.maximumTextByteCount)",
                at: "the size of the texts")
        }
        for (id, text) in texts.enumerated() { try Self.checkLength(text.count, id) }
    }

    /// Refuses a text that is too long for a section, before any work is done on it.
    ///
    /// - Throws: `.texts`.
    package static func checkLength(of text: String, _ id: Int) throws(TokenizerError) {
        try checkLength(text.utf8.count, id)
    }

    private static func checkLength(_ byteCount: Int, _ id: Int) throws(TokenizerError) {
        guard byteCount <= TokenizerLayout.maximumTokenByteCount else {
            throw TokenizerError(
                .texts, found: "\(byteCount) bytes",
                expected: "at most \(TokenizerLayout.maximumTokenByteCount)", at: "the text of token \(id)")
        }
    }
}

// MARK: - Tables

extension TokenizerBuilder {
    /// The bytes of a token. A normal text outside the byte alphabet is kept as written.
    private static func bytes(of text: String, type: TokenType, kind: TokenizerKind) -> [UInt8] {
        switch (type, kind) {
        case (.byte, _): byte(of: text).map { [$0] } ?? Array(text.utf8)
        case (.normal, .byteLevelBPE), (.unused, .byteLevelBPE):
            ByteAlphabet.bytes(of: text) ?? Array(text.utf8)
        case (.normal, .sentencePieceBPE), (.unused, .sentencePieceBPE):
            SpaceMark.replaced(in: Array(text.utf8))
        default: Array(text.utf8)
        }
    }

    /// Whether the text of an added token is also in the model's own vocabulary, with the same bytes.
    private func isModelToken(_ id: Int) -> Bool {
        vocabulary.rules != nil && vocabulary.types[id] == .userDefined
            && !vocabulary.addedOnly.contains(Int32(id))
            && (vocabulary.kind == .characterBPE
                || ByteAlphabet.bytes(of: vocabulary.texts[id]) == Array(vocabulary.texts[id].utf8))
    }

    /// The byte of a text `<0xHH>`.
    private static func byte(of text: String) -> UInt8? {
        let bytes = Array(text.utf8)
        guard bytes.count == 6, text.hasPrefix("<0x"), text.hasSuffix(">") else { return nil }
        return UInt8(text.dropFirst(3).dropLast(), radix: 16)
    }

    /// The tokens that a search by text can return: those that encoding may produce from plain text.
    private var findableTokens: [Int] {
        texts.indices.filter { id in
            let written = vocabulary.texts[id].utf8
            return switch (vocabulary.types[id], vocabulary.kind) {
            case (.unused, _) where vocabulary.rules != nil: false
            case (.normal, .byteLevelBPE), (.unused, .byteLevelBPE): true
            case (.normal, .characterBPE), (.userDefined, .characterBPE):
                (vocabulary.types[id] == .normal || isModelToken(id))
                    && (vocabulary.ignoresMerges || vocabulary.texts[id].unicodeScalars.count == 1)
            case (.userDefined, .byteLevelBPE): isModelToken(id)
            // Spaces in text become U+2581 before merging, so a text with a literal space is never searched for.
            case (.normal, .sentencePieceBPE), (.unused, .sentencePieceBPE): !written.contains(0x20)
            case (.userDefined, .sentencePieceBPE):
                !written.contains(0x20) && SpaceMark.replaced(in: Array(written)) == Array(written)
            default: false
            }
        }
    }

    private func textTable() throws(TokenizerError) -> [UInt32] {
        guard vocabulary.kind != .byteLevelBPE || vocabulary.ignoresMerges else { return [] }
        var seen: Set<[UInt8]> = []
        let entries = findableTokens.filter { !texts[$0].isEmpty && seen.insert(texts[$0]).inserted }
        return try TableSlot.table(hashes: entries.map { (hash(of: texts[$0]), $0) }, .textTable)
    }

    private func hash(of text: [UInt8]) -> TokenHash { TokenHash(text.span, text.indices) }

    /// Three bytes each.
    private func textOffsets() -> [UInt8] {
        var bytes: [UInt8] = [0, 0, 0]
        var end = 0
        for text in texts {
            end += text.count
            for shift in [0, 8, 16] { bytes.append(UInt8(truncatingIfNeeded: end >> shift)) }
        }
        return bytes
    }

    private func byteTokens() -> [Int32] {
        var tokens = [Int32](repeating: -1, count: 256)
        if vocabulary.kind == .characterBPE && !vocabulary.fallsBackToBytes { return tokens }
        let type: TokenType = vocabulary.kind == .byteLevelBPE ? .normal : .byte
        for (id, text) in texts.enumerated() where text.count == 1 {
            guard vocabulary.types[id] == type || (type == .normal && isModelToken(id)) else { continue }
            if tokens[Int(text[0])] < 0 { tokens[Int(text[0])] = Int32(id) }
        }
        return tokens
    }

    /// Tokens to find in the text before it is split, in the order of their texts.
    private func specialTokens() -> [Int32] {
        let types: Set<TokenType> = [.control, .unknown, .userDefined]
        // Tokens that are matched only in normalized text are in the rules.
        let normalized = Set((vocabulary.rules?.added ?? []).filter { $0.normalizedText != nil }.map(\.token))
        let sorted = texts.indices.filter {
            types.contains(vocabulary.types[$0]) && !texts[$0].isEmpty && !normalized.contains(Int32($0))
        }
        .sorted { (a, b) in
            texts[a] == texts[b] ? a < b : texts[a].lexicographicallyPrecedes(texts[b])
        }
        var unique: [Int32] = []
        for id in sorted where unique.last.map({ texts[Int($0)] != texts[id] }) ?? true {
            unique.append(Int32(id))
        }
        return unique
    }

    private func firstByteIndices(of special: [Int32]) -> [UInt32] {
        var counts = [UInt32](repeating: 0, count: 257)
        for id in special { counts[Int(texts[Int(id)][0]) + 1] += 1 }
        for byte in 1...256 { counts[byte] += counts[byte - 1] }
        return counts
    }

    /// Merges by rank with their results, and the lookup table; of equal pairs the first one counts.
    private func packedMerges() throws(TokenizerError) -> (entries: [UInt64], slots: [UInt32]) {
        guard !vocabulary.merges.isEmpty else { return ([], []) }
        let index = TokenIndex(texts: vocabulary.texts)
        let written = vocabulary.texts.map { Array($0.utf8) }
        var seen: Set<Merge> = []
        var entries: [UInt64] = []
        var hashes: [(hash: TokenHash, index: Int)] = []
        for (rank, merge) in vocabulary.merges.enumerated() {
            guard written.indices.contains(Int(merge.left)), written.indices.contains(Int(merge.right)) else {
                throw TokenizerError(
                    .merges, found: "\(merge.left), \(merge.right)", expected: "two tokens",
                    at: "merge \(rank)")
            }
            guard let merged = index.id(of: (written[Int(merge.left)] + written[Int(merge.right)])[...])
            else {
                throw TokenizerError(
                    .merges,
                    found: "'\(vocabulary.texts[Int(merge.left)])' + '\(vocabulary.texts[Int(merge.right)])'",
                    expected: "a pair that makes a token", at: "merge \(rank)")
            }
            // Text becomes a control token only where that token is spelt out.
            let isControl = [.control, .unknown].contains(vocabulary.types[Int(merged)])
            guard !isControl, seen.insert(merge).inserted else { continue }
            let (left, right) = (UInt64(merge.left), UInt64(merge.right))
            hashes.append((TokenHash(left: left, right: right), entries.count))
            entries.append(left | right << 20 | UInt64(merged) << 40)
        }
        return (entries, try TableSlot.table(hashes: hashes, .mergeTable))
    }
}

/// Appends arrays in little-endian order, each aligned to eight bytes.
private struct SectionWriter {
    var bytes: [UInt8]

    init(header: [UInt8]) { bytes = header }

    mutating func append(_ values: [some FixedWidthInteger]) {
        for value in values { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }
        while bytes.count % 8 != 0 { bytes.append(0) }
    }
}
