// SPDX-License-Identifier: Apache-2.0
// Control tokens in some parts of a text only: where a chat template wrote it, not where a message did.

extension SpecialTokenScanner {
    /// Cuts a text as `fragments(of:)` does, with control tokens in some parts and user-defined tokens everywhere.
    ///
    /// Which control tokens there are depends on these parts alone, each taken by itself. What stands between them can
    /// therefore neither form a control token, nor complete one, nor take one to pieces by a user-defined token that
    /// reaches into it.
    ///
    /// - Parameter ranges: bytes that may hold control tokens, ascending and apart from each other.
    static func fragments(
        of text: Span<UInt8>, tables: TokenizerTables, controlTokensIn ranges: [Range<Int>]
    ) -> [TextFragment] {
        let all = SpecialTokenScanner(tables: tables, parsesSpecial: true)
        let userDefined = SpecialTokenScanner(tables: tables, parsesSpecial: false)
        var fragments: [TextFragment] = []
        var position = 0
        func appendFragments(upTo end: Int) {
            for part in userDefined.fragments(of: text.extracting(position..<end)) {
                fragments.append(part.moved(by: position))
            }
        }
        for range in ranges {
            for part in all.fragments(of: text.extracting(range))
            where part.token >= 0 && tables.type(of: part.token) != .userDefined {
                let control = part.moved(by: range.lowerBound)
                appendFragments(upTo: control.range.lowerBound)
                fragments.append(control)
                position = control.range.upperBound
            }
        }
        appendFragments(upTo: text.count)
        return fragments
    }
}

extension TextFragment {
    fileprivate func moved(by offset: Int) -> TextFragment {
        TextFragment(range: range.lowerBound + offset..<range.upperBound + offset, token: token)
    }
}
