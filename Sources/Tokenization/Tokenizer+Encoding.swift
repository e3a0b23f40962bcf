// SPDX-License-Identifier: Apache-2.0
// Text to tokens: special tokens are matched first, the rest is split into pieces, and each piece is merged.

extension Tokenizer {
    /// The tokens of a text.
    ///
    /// - Parameters:
    ///   - addSpecial: adds the begin and end of sequence that the model expects around the text.
    ///   - parseSpecial: recognizes control tokens spelt out in the text. If false, they are treated as ordinary text;
    ///     user-defined tokens are recognized in either case.
    ///   - maximumCount: encoding stops once there are more tokens than this; the result may contain a few more.
    ///   - isCancelled: called occasionally; once it returns true, the tokens so far are returned.
    package func encode(
        _ text: String, addSpecial: Bool, parseSpecial: Bool, maximumCount: Int = .max,
        isCancelled: () -> Bool = { false }
    ) -> [Int32] {
        var output: [Int32] = []
        if addSpecial && addsBeginOfSequence, let id = beginOfSequence { output.append(id) }
        output += encode(text, parseSpecial ? .everywhere : .nowhere, maximumCount, isCancelled)
        if addSpecial && addsEndOfSequence, let id = endOfSequence { output.append(id) }
        return output
    }

    /// The tokens of a text in which only some parts may hold control tokens; user-defined tokens are recognized everywhere.
    /// Ordinary tokens may span the boundaries of these parts.
    ///
    /// - Parameters:
    ///   - ranges: ascending, disjoint ranges of the text's UTF-8 bytes, each of whole characters.
    ///   - maximumCount: encoding stops once there are more tokens than this; the result may contain a few more.
    ///   - isCancelled: called occasionally; once it returns true, the tokens so far are returned.
    package func encode(
        _ text: String, controlTokensIn ranges: [Range<Int>], maximumCount: Int = .max,
        isCancelled: () -> Bool = { false }
    ) -> [Int32] {
        encode(text, .ranges(ranges), maximumCount, isCancelled)
    }

    /// A lower bound on a text's token count, found without encoding it: no token covers more bytes than the longest one.
    ///
    /// - Returns: 0 if a token may cover any number of bytes: after normalization, or if a byte has no token.
    package func leastTokenCount(of text: String) -> Int {
        let isSentencePiece = tables.layout.kind == .sentencePieceBPE
        let hasUnknown = isSentencePiece && tables.layout.specialIds[2] >= 0
        guard rules == nil, hasUnknown || tables.hasAllBytes else { return 0 }
        // SentencePiece's three-byte mark counts as a space.
        let longest = max(tables.layout.longestTokenByteCount, 1) * (isSentencePiece ? 3 : 1)
        return (text.utf8.count + longest - 1) / longest
    }

    private func encode(
        _ text: String, _ places: ControlPlaces, _ maximumCount: Int, _ isCancelled: () -> Bool
    ) -> [Int32] {
        withoutActuallyEscaping(isCancelled) { isCancelled in
            var encoder = TextEncoder(
                tables: tables, rules: rules, maximumCount: maximumCount, isAsked: isCancelled)
            encoder.encode(text.utf8.span, places)
            return encoder.output
        }
    }

    /// The tokens of UTF-8 bytes; invalid UTF-8 is first replaced by U+FFFD.
    package func encode(utf8 bytes: [UInt8], addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
        encode(String(decoding: bytes, as: UTF8.self), addSpecial: addSpecial, parseSpecial: parseSpecial)
    }
}

/// The state of one encoding.
struct TextEncoder {
    let tables: TokenizerTables
    let rules: EncodingRules?
    let maximumCount: Int
    let isAsked: () -> Bool
    var output: [Int32] = []
    private var merger = PieceMerger()

    /// Longer pieces are cut at this length, so that positions fit in 32 bits; no real text has one.
    private static let maximumPieceByteCount = 1 << 28

    init(
        tables: TokenizerTables, rules: EncodingRules?, maximumCount: Int, isAsked: @escaping () -> Bool
    ) {
        self.tables = tables
        self.rules = rules
        self.maximumCount = maximumCount
        self.isAsked = isAsked
    }

    /// Whether no further tokens are needed.
    private func isCancelled() -> Bool { output.count > maximumCount || isAsked() }

    mutating func encode(_ text: Span<UInt8>, _ places: ControlPlaces) {
        output.reserveCapacity(min(text.count / 3, maximumCount))
        var followsSpecial = true
        let scanner = SpecialTokenScanner(
            tables: tables, patterns: SectionPatterns(tables: tables), flags: rules?.flags,
            parsesSpecial: true)
        for fragment in scanner.fragments(of: text, places) where !isCancelled() {
            if fragment.token >= 0 {
                output.append(fragment.token)
            } else if let rules {
                encode(text, fragment.range, by: rules, places)
            } else if tables.layout.kind == .byteLevelBPE {
                encodePieces(text, fragment.range, tables.layout.preTokenizer.rules)
            } else {
                let prefix = followsSpecial && tables.layout.flags.contains(.addsSpacePrefix)
                let spaced = SpaceMark.replaced(in: text, fragment.range, prefix: prefix)
                encodeSentencePiece(spaced.span)
            }
            followsSpecial = fragment.token >= 0
        }
    }

    // MARK: - By rules

    /// Encodes the text between two added tokens: normalizes it, matches tokens in the result, and splits the rest.
    private mutating func encode(
        _ text: Span<UInt8>, _ range: Range<Int>, by rules: EncodingRules, _ places: ControlPlaces
    ) {
        for (part, parsesSpecial) in parts(of: range, rules, places) {
            if rules.normalizers.isEmpty && rules.normalizedPatterns.count == 0,
                let expressions = rules.expressions
            {
                encodePieces(text, part, expressions)
                continue
            }
            let bytes = part.map { text[$0] }
            var normalized = NormalizedText(bytes: bytes, beginsText: part.lowerBound == 0)
            for step in rules.normalizers { normalized.apply(step) }
            let scanner = SpecialTokenScanner(
                tables: tables, patterns: rules.normalizedPatterns, flags: rules.flags,
                parsesSpecial: parsesSpecial)
            for fragment in scanner.fragments(of: normalized.bytes.span) where !isCancelled() {
                if fragment.token >= 0 {
                    output.append(fragment.token)
                } else {
                    encode(normalized, fragment.range, by: rules)
                }
            }
        }
    }

    /// The parts of a range, and whether control tokens are matched in their normalized text; if only some parts may hold control
    /// tokens, the range is cut at their ends.
    private func parts(of range: Range<Int>, _ rules: EncodingRules, _ places: ControlPlaces) -> [(
        Range<Int>, Bool
    )] {
        switch places {
        case .everywhere: return [(range, true)]
        case .nowhere: return [(range, false)]
        case .ranges(let ranges):
            guard rules.hasNormalizedControl else { return [(range, false)] }
            var parts: [(Range<Int>, Bool)] = []
            var position = range.lowerBound
            for part in ranges.map({ $0.clamped(to: range) }) where !part.isEmpty {
                if position < part.lowerBound { parts.append((position..<part.lowerBound, false)) }
                parts.append((part, true))
                position = part.upperBound
            }
            if position < range.upperBound { parts.append((position..<range.upperBound, false)) }
            return parts
        }
    }

    private mutating func encode(_ text: NormalizedText, _ range: Range<Int>, by rules: EncodingRules) {
        if let expressions = rules.expressions {
            return encodePieces(text.bytes.span, range, expressions)
        }
        let begins = text.beginsText && range.lowerBound == 0
        var pieces = TextPieces(NormalizedText(bytes: Array(text.bytes[range]), beginsText: begins))
        for step in rules.preTokenizers { pieces.apply(step) }
        for piece in pieces.ranges where !isCancelled() { encodePiece(pieces.bytes.span, piece) }
    }

    // MARK: - BPE by ranks

    private mutating func encodePieces(_ text: Span<UInt8>, _ range: Range<Int>, _ rules: [SplitRule]) {
        var pieces = PieceIterator(rules, over: range)
        while !isCancelled(), let piece = pieces.next(in: text) { encodePiece(text, piece) }
    }

    private mutating func encodePiece(_ text: Span<UInt8>, _ piece: Range<Int>) {
        if tables.layout.flags.contains(.ignoresMerges) {
            let token = tables.token(text, piece)
            if token >= 0 {
                output.append(token)
                return
            }
        }
        var start = piece.lowerBound
        while start < piece.upperBound && !(start > piece.lowerBound && isCancelled()) {
            var end = min(piece.upperBound, start + Self.maximumPieceByteCount)
            if tables.layout.kind == .characterBPE {
                end = wordEnd(text, from: start, to: end)
                while end < piece.upperBound && text[end] & 0xC0 == 0x80 { end += 1 }
            }
            mergeRanked(text, start..<end)
            start = end
        }
    }

    /// The position of the next mark for a space that no token spans, or the limit.
    private func wordEnd(_ text: Span<UInt8>, from start: Int, to limit: Int) -> Int {
        var end = start + 1
        while end < limit {
            if text[end] == 0xE2, end + 2 < limit, text[end + 1] == 0x96, text[end + 2] == 0x81,
                tables.layout.cutsBeforeSpace(after: text[end - 1])
            {
                break
            }
            end += 1
        }
        return end
    }

    private mutating func mergeRanked(_ text: Span<UInt8>, _ piece: Range<Int>) {
        merger.symbols.removeAll(keepingCapacity: true)
        if tables.layout.kind == .byteLevelBPE && !tables.layout.flags.contains(.usesUnknown) {
            for index in piece {
                merger.symbols.append(
                    Symbol(
                        token: tables.byteToken(text[index]),
                        start: Int32(truncatingIfNeeded: index - piece.lowerBound)))
            }
        } else {
            appendUnits(text, piece)
        }
        merger.merge(RankedMerges(tables: tables), text, end: piece.count, isCancelled: isAsked)
        // A byte without a token is dropped, as in the models' own tokenizers.
        for symbol in merger.symbols where symbol.token >= 0 { output.append(symbol.token) }
    }

    /// The tokens of single bytes or characters. As in the library `tokenizers`, an unknown token is held until the next known
    /// one, so that several can be fused, and byte tokens do not count as known.
    private mutating func appendUnits(_ text: Span<UInt8>, _ piece: Range<Int>) {
        let isByteLevel = tables.layout.kind == .byteLevelBPE
        let unknown = tables.layout.flags.contains(.usesUnknown) ? tables.layout.specialIds[2] : -1
        let fuses = tables.layout.flags.contains(.fusesUnknown)
        var waiting = false
        var position = piece.lowerBound
        while position < piece.upperBound {
            let count = isByteLevel ? 1 : UTF8Character(text, at: position).byteCount
            let unit = position..<min(position + count, piece.upperBound)
            let start = Int32(truncatingIfNeeded: position - piece.lowerBound)
            position = unit.upperBound
            let token = isByteLevel ? tables.byteToken(text[unit.lowerBound]) : tables.token(text, unit)
            if token >= 0 {
                if waiting { merger.symbols.append(Symbol(token: unknown, start: start)) }
                waiting = false
                merger.symbols.append(Symbol(token: token, start: start))
            } else if !isByteLevel && unit.allSatisfy({ tables.byteToken(text[$0]) >= 0 }) {
                for index in unit {
                    merger.symbols.append(Symbol(token: tables.byteToken(text[index]), start: start))
                }
            } else if unknown >= 0 {
                if waiting && !fuses { merger.symbols.append(Symbol(token: unknown, start: start)) }
                waiting = true
            }
        }
        if waiting {
            merger.symbols.append(Symbol(token: unknown, start: Int32(truncatingIfNeeded: piece.count)))
        }
    }

    // MARK: - BPE by scores (SentencePiece)

    private mutating func encodeSentencePiece(_ text: Span<UInt8>) {
        let rule = ScoredMerges(tables: tables)
        var start = 0
        while start < text.count && !(start > 0 && isCancelled()) {
            var end = start + 1
            while end < text.count && end - start < Self.maximumPieceByteCount {
                if text[end] == 0x20 && tables.layout.cutsBeforeSpace(after: text[end - 1]) { break }
                end += 1
            }
            while end < text.count && text[end] & 0xC0 == 0x80 { end += 1 }
            mergeCharacters(rule, text, start..<end)
            start = end
        }
    }

    private mutating func mergeCharacters(_ rule: ScoredMerges, _ text: Span<UInt8>, _ piece: Range<Int>) {
        merger.symbols.removeAll(keepingCapacity: true)
        let part = text.extracting(piece)
        for index in 0..<part.count where part[index] & 0xC0 != 0x80 {
            merger.symbols.append(Symbol(token: -1, start: Int32(truncatingIfNeeded: index)))
        }
        merger.merge(rule, part, end: part.count, isCancelled: isAsked)
        for index in merger.symbols.indices {
            let end = index + 1 < merger.symbols.count ? Int(merger.symbols[index + 1].start) : part.count
            append(merger.symbols[index], part, end: end)
        }
    }

    /// A symbol that never joined may still be a token by itself; otherwise its bytes are appended.
    private mutating func append(_ symbol: Symbol, _ text: Span<UInt8>, end: Int) {
        let range = Int(symbol.start)..<end
        let token = symbol.token >= 0 ? symbol.token : tables.token(text, range)
        guard token < 0 else {
            output.append(token)
            return
        }
        for index in range {
            let byteToken = tables.byteToken(text[index])
            if byteToken >= 0 {
                output.append(byteToken)
            } else if tables.layout.specialIds[2] >= 0 {
                output.append(tables.layout.specialIds[2])
            }
        }
    }
}
