// SPDX-License-Identifier: Apache-2.0
// The tokens that the lexer passes to the parser.

struct Token {
    enum Kind: Equatable {
        /// Text outside tags, white space already trimmed.
        case data(String)
        /// `{{` and `}}`
        case printBegin, printEnd
        /// `{%` and `%}`
        case tagBegin, tagEnd
        case name(String)
        case string(String)
        case integer(Int)
        case float(Double)
        /// An operator or a bracket.
        case symbol(String)
        case end
    }

    let kind: Kind
    /// Position in scalars from the start of the template.
    let position: Int

    /// The token as shown in messages.
    var shown: String {
        switch kind {
        case .data: "text"
        case .printBegin: "'{{'"
        case .printEnd: "'}}'"
        case .tagBegin: "'{%'"
        case .tagEnd: "'%}'"
        case .name(let name): "'\(name)'"
        case .string: "a string"
        case .integer(let value): "\(value)"
        case .float(let value): "\(value)"
        case .symbol(let symbol): "'\(symbol)'"
        case .end: "the end of the template"
        }
    }
}
