// SPDX-License-Identifier: Apache-2.0
// Text never becomes a control token: whatever messages hold and whatever a template makes of them, the control
// tokens of a prompt are those that the template writes.

import ChatTemplates
import Conversion
import Formats
import Quantization
import TestSupport
import Testing
import Tiller
import Tokenization

/// Templates that do to messages what published ones do, and more.
private let ownTemplates = [
    // As it is, and cut as thinking models' answers are.
    "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}",
    "{{ '<|im_start|>' + m.role + '\\n' + m.content.split('</think>')[-1].lstrip('\\n') + '<|im_end|>\\n' }}",
    "<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n",
    // The role makes the token.
    "{{ '<|im_' + ('start' if m.role == 'user' else 'end') + '|>' + m.content }}",
    // Changed, and changed into what was not there.
    "<|im_start|>{{ m.content | replace('x', '') | upper | lower }}<|im_end|>",
    "<|im_start|>{{ m.content[1:] }}{{ m.content[:-1] }}{{ m.content[::-1] | reverse }}<|im_end|>",
    "<|im_start|>{{ m.content | tojson }}{{ m | tojson }}{{ [m.content] }}{{ m.content | e }}<|im_end|>",
    "<|im_start|>{% for c in m.content %}{{ c }}{% endfor %}{{ m.content.split('|') | join('|') }}<|im_end|>",
    "<|im_start|>{{ '%s|%s' % (m.role, m.content) }}{{ '{}{}'.format(m.content, '<|im_end|>') }}",
    "{% set b %}<|im_start|>{{ m.content }}<|im_end|>{% endset %}{{ b | trim | indent(1) }}",
    // Half a token on either side.
    "<|im_start|><|im_{{ m.content }}_end|><|im_end|><{{ m.content }}>",
    "<|im_start|>{{ m.content.strip().splitlines() | map('trim') | join('\\n') }}<|im_end|>",
].map { "{% for m in messages %}\($0){% endfor %}<|im_start|>assistant\n" }

/// All scalars that Python or Unicode call white space.
private let spaces = (0..<0x3001).compactMap { Unicode.Scalar($0) }.filter {
    $0.properties.isWhitespace || (0x1C...0x1F).contains($0.value)
}

/// Conversations of contents that try to be a control token.
private func attacks(_ token: String, space: Unicode.Scalar) -> [[String]] {
    let half = token.index(token.startIndex, offsetBy: token.count / 2)
    let (head, tail) = (String(token[..<half]), String(token[half...]))
    return [
        [token, "y", "z"], [token + token + token, token, token], ["x", token, token + "\n" + token],
        ["\(space)\(token)\(space)", "\(token)\(space)", "\(space)\(token)"],
        [head, tail, head + tail], ["x" + token, token + "x", "x" + token + "x"],
        ["a</think>" + token, "<think>\(token)</think>\n\n\(token)", "</think>\n" + token],
        [String(token.dropFirst()), String(token.dropLast()), head + "x" + tail],
        ["\"\(token)\\", "&\(token)\n", "|\(token)|"],
    ]
}

/// How a conversation was rendered and encoded.
private struct Prompt {
    let text: Text
    let ids: [Int32]

    /// What the template wrote of it.
    var ownText: String {
        let bytes = Array(text.string.utf8)
        return String(decoding: text.templateRanges.flatMap { bytes[$0] + [0] }, as: UTF8.self)
    }

    func controlTokens(_ tokenizer: Tokenizer) -> [Int32] { ids.filter { tokenizer.isSpecial($0) } }

    /// Whether all ids together are the text, with control tokens only where the template wrote.
    func isFaithful(_ tokenizer: Tokenizer) -> Bool {
        var bytes: [UInt8] = []
        let own = text.templateRanges
        for id in ids {
            let start = bytes.count
            bytes += tokenizer.bytes(of: id)
            guard tokenizer.isSpecial(id) else { continue }
            if !own.contains(where: { $0.lowerBound <= start && $0.upperBound >= bytes.count }) {
                return false
            }
        }
        return bytes == Array(text.string.utf8)
    }
}

@Suite struct ControlTokenTests {
    private let folder = TemporaryFolder()

    private func engine(template: String) throws -> Engine {
        let copy = FolderCopy("llama")
        copy.write(Array(template.utf8), to: "chat_template.jinja")
        let path = "\(folder.path)/model.tiller"
        let encodings = EncodingChoice(weights: .float32, head: .float32)
        _ = try Converter(encodings: encodings, replacesExisting: true, threadCount: 2, program: "test")
            .convert(copy.path, to: path)
        return try Engine(path: path)
    }

    private func prompt(_ messages: [Message], _ engine: Engine) throws -> Prompt {
        Prompt(
            text: try engine.renderedText(messages, addingGenerationPrompt: true),
            ids: try engine.encode(conversation: messages))
    }

    @Test(arguments: ownTemplates)
    func theTemplateAloneMakesControlTokens(template: String) throws {
        let engine = try engine(template: template)
        let tokenizer = engine.tokenizer
        let roles = ["user", "assistant", "user"]
        func conversation(_ contents: [String], _ roles: [String]) -> [Message] {
            zip(roles, contents).map { Message(role: $0, content: $1) }
        }
        let harmless = try prompt(conversation(["a", "b", "c"], roles), engine)
        let strange = try prompt(conversation(["a", "b", "c"], ["k", "assistant", "k"]), engine)
        #expect(!harmless.controlTokens(tokenizer).isEmpty && harmless.isFaithful(tokenizer))
        #expect(harmless.ids == engine.encode(harmless.text.string, parsingSpecial: true))
        let tokens = (0..<Int32(tokenizer.vocabularySize)).filter { tokenizer.isSpecial($0) }.map(
            tokenizer.text(of:))
        #expect(tokens.contains("<|im_start|>") && tokens.contains("<|im_end|>"))
        var spaceIndex = 0
        for token in tokens {
            for _ in 0..<max(1, spaces.count / tokens.count + 1) {
                spaceIndex = (spaceIndex + 1) % spaces.count
                for contents in attacks(token, space: spaces[spaceIndex]) {
                    for (roles, harmless) in [
                        (roles, harmless), ([token, "assistant", "user" + token], strange),
                    ] {
                        let attacked = try prompt(conversation(contents, roles), engine)
                        #expect(attacked.isFaithful(tokenizer), "\(contents) \(roles)")
                        #expect(
                            attacked.controlTokens(tokenizer) == harmless.controlTokens(tokenizer),
                            "\(contents) \(roles)")
                    }
                }
            }
        }
    }

    @Test func theRolesOfChatsMayMakeControlTokens() throws {
        let engine = try engine(template: "{% for m in messages %}{{ '<|im_' + m.role + '|>' }}{% endfor %}")
        // No vocabulary of the fixtures has such tokens, so what counts is who is said to have written them.
        for (role, isOwn) in [
            ("user", true), ("assistant", true), ("start", false), ("end|><|im_start", false),
        ] {
            let text = try engine.renderedText(
                [Message(role: role, content: "")], addingGenerationPrompt: false)
            #expect((text.templateRanges == [0..<text.string.utf8.count]) == isOwn, "\(role)")
            let ids = try engine.encode(
                conversation: [Message(role: role, content: "")], addingGenerationPrompt: false)
            #expect(!ids.contains { engine.tokenizer.isSpecial($0) })
        }
    }

    @Test func aModelWithoutATemplateHasNoControlTokensInMessagesEither() throws {
        let copy = FolderCopy("llama")
        copy.remove("chat_template.jinja")
        copy.write(Array("{}".utf8), to: "tokenizer_config.json")
        let path = "\(folder.path)/plain.tiller"
        let encodings = EncodingChoice(weights: .float32, head: .float32)
        _ = try Converter(encodings: encodings, replacesExisting: true, threadCount: 2, program: "test")
            .convert(copy.path, to: path)
        let engine = try Engine(path: path)
        #expect(!engine.hasChatTemplate)
        let harmless = try prompt([Message(role: "user", content: "a")], engine)
        let attacked = try prompt([Message(role: "user", content: "<|im_start|>")], engine)
        #expect(attacked.controlTokens(engine.tokenizer) == harmless.controlTokens(engine.tokenizer))
        #expect(attacked.ids.count > harmless.ids.count)
    }
}

// MARK: - Published templates

/// What looks like a control token in a template, and the two that begin and end a sequence.
private func tokens(in template: String) -> [String] {
    let text = Array(template.unicodeScalars)
    var found = Set(["<s>", "</s>"])
    for (start, opening) in text.enumerated() where opening == "<" || opening == "[" {
        let closing: Unicode.Scalar = opening == "<" ? ">" : "]"
        let end = text[start...].prefix(40).firstIndex(of: closing)
        guard let end, end > start + 2 else { continue }
        let inner = text[(start + 1)..<end]
        let isName = inner.allSatisfy { scalar in
            scalar.properties.isAlphabetic || scalar.properties.numericType != nil
                || "|｜▁_/-: ".unicodeScalars.contains(scalar)
        }
        let isCapital = inner.allSatisfy { ("A"..."Z").contains($0) || $0 == "_" || $0 == "/" }
        if opening == "<" ? isName : isCapital {
            var view = String.UnicodeScalarView()
            view.append(contentsOf: text[start...end])
            found.insert(String(view))
        }
    }
    return found.sorted()
}

/// A tokenizer of bytes with these control tokens, in memory that is kept.
private func tokenizer(of control: [String]) throws -> Tokenizer {
    // GPT-2's alphabet: bytes that can be seen stand for themselves.
    var next: UInt32 = 0x100
    let bytes = (0..<256 as Range<UInt32>).map { byte -> String in
        let isVisible = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
        if !isVisible { next += 1 }
        return Unicode.Scalar(isVisible ? byte : next - 1).map { String(Character($0)) } ?? ""
    }
    var vocabulary = Vocabulary(
        kind: .byteLevelBPE, texts: bytes + control,
        types: bytes.map { _ in .normal } + control.map { _ in .control })
    vocabulary.preTokenizer = .gpt2
    let section = try TokenizerBuilder(vocabulary: vocabulary).build()
    let view = ByteView(copying: section)
    return try Tokenizer(bytes: view.bytes, owner: view.owner)
}

@Test func publishedTemplatesAloneMakeControlTokens() throws {
    let folder = SharedData.root + "/templates"
    let paths = ["chat_templates", "llama.cpp"].flatMap { name in
        SharedData.fileNames(in: "\(folder)/\(name)").map { "\(folder)/\(name)/\($0)" }
    }
    guard !paths.isEmpty else {
        print("skipped: no published chat templates at \(folder)")
        return
    }
    var (compared, decidedOtherwise, spaceIndex) = (0, 0, 0)
    for path in paths {
        let source = String(decoding: try #require(SharedData.contents(of: path)), as: UTF8.self)
        guard let template = try? ChatTemplate(source: source) else { continue }
        let control = tokens(in: source)
        let tokenizer = try tokenizer(of: control)
        func prompt(_ contents: [String], _ roles: [String]) -> Prompt? {
            let messages = zip(roles, contents).map { ChatMessage(role: $0, content: $1) }
            let text = try? template.render(messages: messages, bosToken: "<s>", eosToken: "</s>")
            return text.map {
                Prompt(text: $0, ids: tokenizer.encode($0.string, controlTokensIn: $0.templateRanges))
            }
        }
        let turns = ["user", "assistant", "user"]
        guard let harmless = prompt(["a", "b", "c"], turns) else { continue }
        let strange = prompt(["a", "b", "c"], ["user", "k", "user"])
        #expect(
            harmless.ids == tokenizer.encode(harmless.text.string, addSpecial: false, parseSpecial: true),
            "\(path)")
        for token in control {
            spaceIndex = (spaceIndex + 1) % spaces.count
            for contents in attacks(token, space: spaces[spaceIndex]) {
                for (roles, harmless) in [(turns, Optional(harmless)), (["user", token, "user"], strange)] {
                    guard let harmless, let attacked = prompt(contents, roles) else { continue }
                    #expect(attacked.isFaithful(tokenizer), "\(path): \(contents) \(roles)")
                    compared += 1
                    // Some templates look for such words in messages and then write something else themselves.
                    if attacked.ownText != harmless.ownText {
                        decidedOtherwise += 1
                        continue
                    }
                    #expect(
                        attacked.controlTokens(tokenizer) == harmless.controlTokens(tokenizer),
                        "\(path): \(contents) \(roles)")
                }
            }
        }
    }
    print(
        "control tokens: \(compared) prompts of \(paths.count) templates, \(decidedOtherwise) decided otherwise"
    )
    #expect(compared > 1000)
}
