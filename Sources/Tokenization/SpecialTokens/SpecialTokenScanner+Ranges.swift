// SPDX-License-Identifier: Apache-2.0
// Control tokens in some parts of a text only: where a chat template wrote it, not where a message did.

/// Where in a text control tokens are recognized.
enum ControlPlaces {
    case everywhere
    case nowhere
    /// Bytes that may hold control tokens, ascending and apart from each other.
    case ranges([Range<Int>])
}

extension SpecialTokenScanner {
    /// Cuts a text as `fragments(of:)` does, with control tokens in some parts and user-defined tokens everywhere.
    ///
    /// Which control tokens there are depends on these parts alone, each taken by itself. What stands between them can
    /// therefore neither form a control token, nor complete one, nor take one to pieces by a user-defined token that
    /// reaches into it.
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

    /// A token with the white space that it takes along, which may reach out of the part that the token stands in.
    ///
    /// - Parameter position: where the text begins that no token before has taken.
    private func takingSpace(_ token: TextFragment, in text: Span<UInt8>, after position: Int) -> TextFragment
    {
        guard let flags = flags?[token.token] else { return token }
        var (start, end) = (token.range.lowerBound, token.range.upperBound)
        if flags.contains(.stripsLeft), start > position {
            start = whitespaceStart(text, from: position, to: start)
        }
        // What an earlier token took beyond this one is white space.
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
