// SPDX-License-Identifier: Apache-2.0
// Jinja's lexer: text and tags. White space follows trim_blocks (a newline after a tag is dropped) and lstrip_blocks (blanks
// before a tag at the start of a line are dropped); `-` and `+` in a tag strip more or nothing. Supports only the dialect that
// Hugging Face transformers configures.

struct Lexer {
    /// The template with "\n" as newlines and without a final newline, as Jinja reads it.
    let source: [Unicode.Scalar]
    var position = 0
    var tokens: [Token] = []

    init(_ text: String) {
        var scalars: [Unicode.Scalar] = []
        scalars.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            if scalar == "\n", scalars.last == "\r" {
                scalars[scalars.count - 1] = "\n"
            } else {
                if scalars.last == "\r" { scalars[scalars.count - 1] = "\n" }
                scalars.append(scalar)
            }
        }
        if scalars.last == "\r" { scalars[scalars.count - 1] = "\n" }
        if scalars.last == "\n" { scalars.removeLast() }
        source = scalars
    }

    /// Reads the whole template.
    mutating func tokenize() throws(TemplateError) -> [Token] {
        while position < source.count {
            guard let tag = nextTag() else {
                append(.data(text(position..<source.count)), at: position)
                position = source.count
                break
            }
            try readTag(at: tag)
        }
        append(.end, at: source.count)
        return tokens
    }

    // MARK: - Tags

    /// The start of the next `{{`, `{%` or `{#`.
    private func nextTag() -> Int? {
        var index = position
        while index + 1 < source.count {
            if source[index] == "{",
                source[index + 1] == "{" || source[index + 1] == "%" || source[index + 1] == "#"
            {
                return index
            }
            index += 1
        }
        return nil
    }

    private mutating func readTag(at tag: Int) throws(TemplateError) {
        let kind = source[tag + 1]
        let sign = signAt(tag + 2)
        appendData(before: tag, sign: sign, isPrint: kind == "{")
        position = tag + (sign == nil ? 2 : 3)
        switch kind {
        case "#": try skipComment(from: tag)
        case "%":
            if let end = endOfWord("raw", from: position, trimsNewline: false) {
                position = end
                try readRaw(from: tag)
            } else {
                append(.tagBegin, at: tag)
                try readExpressionTokens(closing: "%", .tagEnd)
            }
        default:
            append(.printBegin, at: tag)
            try readExpressionTokens(closing: "}", .printEnd)
        }
    }

    private func signAt(_ index: Int) -> Unicode.Scalar? {
        guard index < source.count, source[index] == "-" || source[index] == "+" else { return nil }
        return source[index]
    }

    /// Emits the text up to a tag, trimmed according to the tag's sign and the dialect.
    private mutating func appendData(before tag: Int, sign: Unicode.Scalar?, isPrint: Bool) {
        var end = tag
        if sign == "-" {
            while end > position, source[end - 1].isPythonSpace { end -= 1 }
        } else if sign == nil, !isPrint {
            var lineStart = end
            while lineStart > position, source[lineStart - 1] != "\n" { lineStart -= 1 }
            // Text that continues a line after a tag keeps its leading blanks.
            let startsLine = lineStart > position || position == 0 || source[position - 1] == "\n"
            if startsLine, source[lineStart..<tag].allSatisfy(\.isPythonSpace) { end = lineStart }
        }
        if end > position { append(.data(text(position..<end)), at: position) }
    }

    private mutating func skipComment(from tag: Int) throws(TemplateError) {
        var index = position
        // Jinja accepts a comment without an end if it starts at the end of the template.
        guard index < source.count else { return }
        while index + 1 < source.count {
            if source[index] == "#", source[index + 1] == "}" {
                let sign = index > position ? signAt(index - 1) : nil
                position = afterTag(index + 2, sign: sign, trimsNewline: true)
                return
            }
            index += 1
        }
        throw TemplateError(.syntax, "found the end of the template, expected '#}'", position: tag)
    }

    /// Emits everything up to `{% endraw %}` as text.
    private mutating func readRaw(from tag: Int) throws(TemplateError) {
        var index = position
        while index + 1 < source.count {
            if source[index] == "{", source[index + 1] == "%" {
                let sign = signAt(index + 2)
                if let end = endOfWord("endraw", from: index + (sign == nil ? 2 : 3), trimsNewline: true) {
                    appendData(before: index, sign: sign, isPrint: false)
                    position = end
                    return
                }
            }
            index += 1
        }
        throw TemplateError(.syntax, "found the end of the template, expected '{% endraw %}'", position: tag)
    }

    /// The end of a tag that contains only one word, or nil if another tag starts here.
    private func endOfWord(_ word: String, from start: Int, trimsNewline: Bool) -> Int? {
        var index = skippingSpace(start)
        for scalar in word.unicodeScalars {
            guard index < source.count, source[index] == scalar else { return nil }
            index += 1
        }
        index = skippingSpace(index)
        var sign = signAt(index)
        // In Jinja `{% raw +%}` is not a raw tag, but `{% endraw +%}` is one.
        if sign == "+", !trimsNewline { sign = nil }
        if sign != nil { index += 1 }
        guard index + 1 < source.count, source[index] == "%", source[index + 1] == "}" else { return nil }
        return afterTag(index + 2, sign: sign, trimsNewline: trimsNewline)
    }

    /// The position after a tag's end and the white space that its sign removes.
    func afterTag(_ end: Int, sign: Unicode.Scalar?, trimsNewline: Bool) -> Int {
        if sign == "-" { return skippingSpace(end) }
        if sign == nil, trimsNewline, end < source.count, source[end] == "\n" { return end + 1 }
        return end
    }

    func skippingSpace(_ start: Int) -> Int {
        var index = start
        while index < source.count, source[index].isPythonSpace { index += 1 }
        return index
    }

    // MARK: - Pieces

    mutating func append(_ kind: Token.Kind, at position: Int) {
        tokens.append(Token(kind: kind, position: position))
    }

    func text(_ range: Range<Int>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: source[range])
        return String(view)
    }
}
