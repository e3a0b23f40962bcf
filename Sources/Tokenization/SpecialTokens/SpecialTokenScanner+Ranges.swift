// SPDX-License-Identifier: Apache-2.0
// Control tokens in only some parts of a text: those written by a chat template, not those from a message.

/// The parts of a text in which control tokens are recognized.
enum ControlPlaces {
    case everywhere
    case nowhere
    /// Bytes that may hold control tokens; ascending, disjoint ranges.
    case ranges([Range<Int>])
}

extension SpecialTokenScanner {
    /// Splits a text as `fragments(of:)` does, with control tokens in some parts and user-defined tokens everywhere.
    ///
    /// The control tokens depend only on these parts, each on its own. The text between them can therefore neither form nor
    /// complete a control token, nor break one up by a user-defined token that extends into it.
    func fragments(of text: Span<UInt8>, _ places: ControlPlaces) -> [TextFragment] {
        var all = self
        all.parsesSpecial = true
        var userDefined = self
        userDefined.parsesSpecial = false
        let ranges: [Range<Int>]
        switch places {
        case .everywhere: return all.fragments(of: text)
        case .nowhere: return userDefined.fragments(of: text)
        case .ranges(let some): ranges = some
        }
        var fragments: [TextFragment] = []
        var position = 0
        func appendFragments(upTo end: Int) {
            guard position < end else { return }
            for part in userDefined.fragments(of: text.extracting(position..<end)) {
                fragments.append(part.moved(by: position))
            }
        }
        for range in ranges {
            for part in all.fragments(of: text.extracting(range))
            where part.token >= 0 && tables.type(of: part.token) != .userDefined {
                let control = takingSpace(part.moved(by: range.lowerBound), in: text, after: position)
                appendFragments(upTo: control.range.lowerBound)
                fragments.append(control)
                position = max(position, control.range.upperBound)
            }
        }
        appendFragments(upTo: text.count)
        return fragments
    }

    /// A token with the white space that it absorbs, which may extend beyond the token's part.
    ///
    /// - Parameter position: the end of the text that earlier tokens have consumed.
    private func takingSpace(_ token: TextFragment, in text: Span<UInt8>, after position: Int) -> TextFragment
    {
        guard let flags = flags?[token.token] else { return token }
        var (start, end) = (token.range.lowerBound, token.range.upperBound)
        if flags.contains(.stripsLeft), start > position {
            start = whitespaceStart(text, from: position, to: start)
        }
        // Any text beyond this token that an earlier token has consumed is white space.
        if flags.contains(.stripsRight) {
            end = runEnd(text, from: max(end, position), to: text.count, of: .whitespace)
        }
        return TextFragment(range: start..<end, token: token.token)
    }
}

extension TextFragment {
    fileprivate func moved(by offset: Int) -> TextFragment {
        TextFragment(range: range.lowerBound + offset..<range.upperBound + offset, token: token)
    }
}
