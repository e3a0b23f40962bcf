// SPDX-License-Identifier: Apache-2.0
// Text to tokens: special tokens are found first, the rest is cut into pieces, and each piece is merged.

extension Tokenizer {
    /// The tokens of a text.
    ///
    /// - Parameters:
    ///   - addSpecial: put the begin and end of sequence around the text, as far as the model wants them.
    ///   - parseSpecial: recognize control tokens written in the text. If false, they are text like any other;
    ///     user-defined tokens are recognized in either case.
    package func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
        var encoder = TextEncoder(tables: tables)
        if addSpecial && addsBeginOfSequence, let id = beginOfSequence { encoder.output.append(id) }
        let span = text.utf8.span
        let scanner = SpecialTokenScanner(tables: tables, parsesSpecial: parseSpecial)
        encoder.encode(span, scanner.fragments(of: span))
        if addSpecial && addsEndOfSequence, let id = endOfSequence { encoder.output.append(id) }
        return encoder.output
    }

    /// The tokens of a text, without a begin and end of sequence, where control tokens are recognized in some parts only.
    ///
    /// All else is as in the text as a whole: user-defined tokens are recognized everywhere, and pieces are merged
    /// across the ends of the parts.
    ///
    /// - Parameter ranges: bytes of the text's UTF-8 form, ascending and apart from each other.
    package func encode(_ text: String, controlTokensIn ranges: [Range<Int>]) -> [Int32] {
        var encoder = TextEncoder(tables: tables)
        let span = text.utf8.span
        encoder.encode(
            span, SpecialTokenScanner.fragments(of: span, tables: tables, controlTokensIn: ranges))
        return encoder.output
    }

    /// The tokens of UTF-8 bytes; what is not valid UTF-8 is first replaced by U+FFFD.
    package func encode(utf8 bytes: [UInt8], addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
        encode(String(decoding: bytes, as: UTF8.self), addSpecial: addSpecial, parseSpecial: parseSpecial)
    }
}

/// One encoding under way.
private struct TextEncoder {
    let tables: TokenizerTables
    var output: [Int32] = []
    private var merger = PieceMerger()

    /// Longer pieces are cut here, so that positions fit in 32 bits; no real text has one.
    private static let maximumPieceByteCount = 1 << 28

    init(tables: TokenizerTables) { self.tables = tables }

    mutating func encode(_ text: Span<UInt8>, _ fragments: [TextFragment]) {
        output.reserveCapacity(output.count + text.count / 3)
        var followsSpecial = true
        for fragment in fragments {
            if fragment.token >= 0 {
                output.append(fragment.token)
            } else if tables.layout.kind == .byteLevelBPE {
                encodeByteLevel(text, fragment.range)
            } else {
                let prefix = followsSpecial && tables.layout.flags.contains(.addsSpacePrefix)
                let spaced = SpaceMark.replaced(in: text, fragment.range, prefix: prefix)
                encodeSentencePiece(spaced.span)
            }
            followsSpecial = fragment.token >= 0
        }
    }

    // MARK: - Byte-level BPE

    private mutating func encodeByteLevel(_ text: Span<UInt8>, _ range: Range<Int>) {
        let ignoresMerges = tables.layout.flags.contains(.ignoresMerges)
        let rule = RankedMerges(tables: tables)
        var pieces = PieceIterator(tables.layout.preTokenizer, over: range)
        while let piece = pieces.next(in: text) {
            if ignoresMerges {
                let token = tables.token(text, piece)
                if token >= 0 {
                    output.append(token)
                    continue
                }
            }
            var start = piece.lowerBound
            while start < piece.upperBound {
                let end = min(piece.upperBound, start + Self.maximumPieceByteCount)
                mergeBytes(rule, text, start..<end)
                start = end
            }
        }
    }

    private mutating func mergeBytes(_ rule: RankedMerges, _ text: Span<UInt8>, _ piece: Range<Int>) {
        merger.symbols.removeAll(keepingCapacity: true)
        for index in piece {
            merger.symbols.append(
                Symbol(
                    token: tables.byteToken(text[index]),
                    start: Int32(truncatingIfNeeded: index - piece.lowerBound)))
        }
        merger.merge(rule, text, end: piece.count)
        // A byte that has no token leaves nothing, as in the models' own tokenizers.
        for symbol in merger.symbols where symbol.token >= 0 { output.append(symbol.token) }
    }

    // MARK: - SentencePiece BPE

    private mutating func encodeSentencePiece(_ text: Span<UInt8>) {
        let rule = ScoredMerges(tables: tables)
        var start = 0
        while start < text.count {
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
        merger.merge(rule, part, end: part.count)
        for index in merger.symbols.indices {
            let end = index + 1 < merger.symbols.count ? Int(merger.symbols[index + 1].start) : part.count
            append(merger.symbols[index], part, end: end)
        }
    }

    /// A symbol that never joined may still be a token by itself; if not, its bytes are.
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
