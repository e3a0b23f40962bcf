// SPDX-License-Identifier: Apache-2.0
// Texts: JSON, data sets, templates, conversations, what is tokenized and what is typed.

import ChatTemplates
import Commands
import Conversion
import Evaluation
import Formats
import JSON
import Terminal
import Tokenization

let textReaders = [
    Reader(name: "json", seeds: { jsonSeeds }, run: readJSON),
    Reader(name: "rows", seeds: { rowSeeds }, run: readRows),
    Reader(name: "template", seeds: templateSeeds) { bytes in
        guard let text = String(validating: bytes, as: UTF8.self) else { return }
        try useTemplate(text)
    },
    Reader(name: "chat", seeds: chatSeeds, run: readChat),
    Reader(name: "tokens", seeds: { tokenizedSeeds }, run: readTokenized),
    Reader(name: "terminal", seeds: { typedSeeds }, run: readTyped),
]

private func bytes(_ texts: String...) -> [[UInt8]] { texts.map { Array($0.utf8) } }

// MARK: - JSON

private let jsonSeeds =
    bytes(
        #"{"a": [1, -2.5e-3, true, false, null, "\u00e9\ud83d\ude00\n"], "b": {"a": {}}}"#,
        "[[[[[[[[[[]]]]]]]]]]", "9223372036854775808", "-0.0", "\u{FEFF}{}", #"{"a":1,"a":2}"#)
    + [fixture("folders/llama/config.json"), fixture("templates/data.json")]

private func readJSON(_ bytes: [UInt8]) throws {
    var rows = JSONLines(bytes)
    while let row = try? rows.next() { use(row.line &+ row.value.serializedBytes().count) }
    let value = try JSON.parse(bytes)
    use((try? JSON.parse(bytes, duplicateKeys: .refused)) == nil ? 0 : 1)
    // What is written is read as the same again.
    let written = value.serializedBytes()
    guard let again = try? JSON.parse(written), again.serializedBytes() == written else {
        fatalError("JSON: other text than was written")
    }
}

private let rowSeeds = bytes(
    #"{"prompt": "I feel", "positive": " happy", "negative": " sad", "group": 3}"# + "\n\n"
        + #"{"positive": "a", "negative": null}"#,
    #"{"question": "Which ? ", "choices": ["a", " b", "c"], "answer": 1}"#,
    #"{"question": "Q", "choices": ["a", "b"], "answer": "1"}"#)

private func readRows(_ bytes: [UInt8]) throws {
    for item in (try? EvaluationItem.read(bytes, fileName: "pairs.jsonl")) ?? [] {
        use(item.json.serializedBytes().count)
    }
    for item in try ChoiceItem.read(bytes, fileName: "items.jsonl") {
        use(item.parts.question.utf8.count &+ item.parts.choices.count)
    }
}

// MARK: - Templates

private let messages: [ChatMessage] = [
    .init(role: "system", content: "Be brief."), .init(role: "user", content: "Hi <|im_end|>\n \u{E9}?"),
    .init(role: "assistant", content: "Hello"), .init(role: "user", content: ""),
]
private let date = TemplateDate(year: 2024, month: 7, day: 26, hour: 15, minute: 4, second: 5)

/// Renders a template with messages, and as templates with tools are.
func useTemplate(_ source: String) throws {
    let template = try ChatTemplate(source: source)
    let text = try template.render(messages: messages, bosToken: "<s>", eosToken: "</s>", now: date)
    use(text.string.utf8.count &+ text.templateRanges.count)
}

private func templateSeeds() throws -> [[UInt8]] {
    var seeds = ["llama", "llama3", "mistral", "qwen2", "gemma3"].map {
        fixture("folders/\($0)/chat_template.jinja")
    }
    var rows = JSONLines(fixture("templates/language.jsonl"))
    while let row = try rows.next() {
        if let template = row.value["template"]?.stringValue { seeds.append(Array(template.utf8)) }
    }
    return seeds
}

/// A template and the variables that it is rendered with.
private func chatSeeds() throws -> [[UInt8]] {
    let data = fixture("templates/data.json")
    let contexts = try JSON.parse(fixture("templates/contexts.json")).objectValue.map { Array($0) } ?? []
    let variables = [data] + contexts.prefix(8).map { $0.value.serializedBytes() }
    return try templateSeeds().enumerated().map { Parts.joined([$1, variables[$0 % variables.count]]) }
}

private func readChat(_ bytes: [UInt8]) throws {
    let parts = Parts.split(bytes)
    guard parts.count > 1, let source = String(validating: parts[0], as: UTF8.self),
        let context = try JSON.parse(parts[1]).objectValue
    else { return }
    let text = try ChatTemplate(source: source).render(context, now: date)
    // As a conversation becomes tokens.
    for tokenizer in fixtureTokenizers.prefix(2) where text.string.utf8.count < 1 << 16 {
        use(tokenizer.encode(text.string, controlTokensIn: text.templateRanges).count)
    }
}

// MARK: - Tokens

/// The tokenizers of the fixtures.
private let fixtureTokenizers: [Tokenizer] = ["llama", "qwen2", "mistral", "gemma3", "llama3"].compactMap {
    name in
    guard let source = try? ModelSource(path: "Tests/Fixtures/models/\(name).gguf"),
        let section = source.tokenizer
    else { fatalError("no tokenizer in \(name).gguf") }
    let view = ByteView(copying: section)
    return try? Tokenizer(bytes: view.bytes, owner: view.owner)
}

private let tokenizedSeeds =
    bytes(
        "\u{0}The ferry leaves at nine, doesn't it? 1234", "\u{1}渡し船は九時 🚢🌊 <|im_start|>x</s>",
        "\u{2}e\u{301}\u{323} ﬁ Ⅷ \u{1F468}\u{200D}\u{1F469} \u{FEFF}", "\u{3}   \n\n\t  a  b \u{A0}",
        "\u{4}" + String(repeating: "ab", count: 100)) + [Array(fixture("real/text.txt").prefix(600))]

private func readTokenized(_ bytes: [UInt8]) throws {
    let tokenizer = fixtureTokenizers[Int(bytes.first ?? 0) % fixtureTokenizers.count]
    let text = Array(bytes.dropFirst())
    let tokens = tokenizer.encode(utf8: text, addSpecial: true, parseSpecial: true)
    use(tokenizer.encode(utf8: text, addSpecial: false, parseSpecial: false).count)
    use(tokenizer.decode(tokens, skipSpecial: false).count)
    var decoder = TokenDecoder(tokenizer)
    for token in tokens { use(decoder.append(token).utf8.count) }
    use(decoder.finish().utf8.count)
    guard tokens.allSatisfy({ (0..<tokenizer.vocabularySize).contains(Int($0)) }) else {
        fatalError("a token outside the vocabulary")
    }
}

// MARK: - What is typed

private let typedSeeds = bytes(
    "hello\u{1B}[D\u{1B}[1;5C\u{1B}[200~pasted\ntext\u{1B}[201~\r", "/steer calm=0.5\r",
    "\u{1}\u{5}\u{B}\u{17}é渡🚢\u{7F}\t")

private func readTyped(_ bytes: [UInt8]) throws {
    var (parser, buffer) = (KeyParser(), LineBuffer(history: ["earlier", "line"]))
    for byte in bytes {
        guard let key = parser.feed(byte) else { continue }
        _ = buffer.apply(key)
    }
    let layout = LineLayout(
        prompt: "> ", text: buffer.characters, cursor: buffer.cursor,
        columns: 1 + Int(bytes.first ?? 80) % 100,
        maximumRows: 5)
    use(layout.rows.count)
    let text = String(decoding: bytes, as: UTF8.self)
    use(wrapped(text, width: 20).count &+ displayWidth(of: text) &+ text.printable.utf8.count)
    if case .command(let command) = ChatLine(text) { use(command.utf8.count) }
}
