// SPDX-License-Identifier: Apache-2.0
// A tokenizer is a section of bytes, validated once and used in place: nothing is parsed or built at load.

/// Converts text to tokens and tokens to text with the tables of a tokenizer section (formats/tokenizer.md).
package struct Tokenizer: Sendable {
    let tables: TokenizerTables
    /// The rules of a section of version 2.
    let rules: EncodingRules?
    /// Keeps the tables' memory alive.
    private let owner: (any AnyObject & Sendable)?

    /// Validates a tokenizer section and uses it in place.
    ///
    /// - Parameters:
    ///   - bytes: the section, which must not change during the tokenizer's lifetime.
    ///   - owner: keeps the bytes alive; nil if the caller does.
    /// - Throws: the rule of formats/tokenizer.md §4 that the section breaks.
    package init(
        bytes: UnsafeRawBufferPointer, owner: (any AnyObject & Sendable)?
    ) throws(TokenizerError) {
        self.owner = owner
        tables = TokenizerTables(layout: try TokenizerLayout(bytes: bytes), bytes: bytes)
        try tables.validate()
        rules = tables.layout.ruleByteCount == nil ? nil : try EncodingRules(tables)
    }

    /// The rules as a section of version 2 states them.
    package var statedRules: TokenizerRules? { rules?.stated }
    /// The number of tokens. A model's output may be wider: further ids have no text.
    package var vocabularySize: Int { tables.layout.tokenCount }

    package var beginOfSequence: Int32? { specialToken(0) }
    package var endOfSequence: Int32? { specialToken(1) }
    package var addsBeginOfSequence: Bool { tables.layout.flags.contains(.addsBeginOfSequence) }
    package var addsEndOfSequence: Bool { tables.layout.flags.contains(.addsEndOfSequence) }

    /// Every token after which generation stops, ascending.
    package var endOfGeneration: [Int32] {
        (0..<tables.layout.endOfGenerationCount).map { tables.endOfGenerationToken($0) }
    }

    package func isEndOfGeneration(_ id: Int32) -> Bool {
        (0..<tables.layout.endOfGenerationCount).contains { tables.endOfGenerationToken($0) == id }
    }

    /// Whether this is a control token (not shown as text).
    package func isSpecial(_ id: Int32) -> Bool {
        guard tables.isToken(id) else { return false }
        let type = tables.type(of: id)
        return type == .control || type == .unknown
    }

    /// The type of a token; nil for an id outside the vocabulary.
    package func type(of id: Int32) -> TokenType? { tables.isToken(id) ? tables.type(of: id) : nil }

    /// The bytes of a token, not always whole characters; none for an id outside the vocabulary.
    package func bytes(of id: Int32) -> [UInt8] {
        var bytes: [UInt8] = []
        if tables.isToken(id) { appendText(of: id, to: &bytes) }
        return bytes
    }

    /// A token's bytes as text for display, with incomplete characters replaced.
    package func text(of id: Int32) -> String { String(decoding: bytes(of: id), as: UTF8.self) }

    /// The control, unknown or user-defined token with a text such as `"<|im_end|>"`.
    package func specialToken(_ text: String) -> Int32? {
        let bytes = Array(text.utf8)
        guard !bytes.isEmpty else { return nil }
        var matches = SpecialTokenMatches(SectionPatterns(tables: tables), textByteCount: bytes.count) { _ in
            true
        }
        if let match = matches.longest(in: bytes.span, at: 0, limit: bytes.count),
            match.byteCount == bytes.count
        {
            return match.token
        }
        return rules?.normalizedTokens.first { tables.text(of: $0).elementsEqual(bytes) }
    }

    private func specialToken(_ slot: Int) -> Int32? {
        let id = tables.layout.specialIds[slot]
        return id < 0 ? nil : id
    }
}
