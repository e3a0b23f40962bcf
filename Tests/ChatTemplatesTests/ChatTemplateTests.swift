// SPDX-License-Identifier: Apache-2.0
// The interface: errors and their places, the plain conversation, built-in formats.

import ChatTemplates
import JSON
import Testing

private let conversation = [
    ChatMessage(role: "system", content: "Be brief."),
    ChatMessage(role: "user", content: "Hi!"),
    ChatMessage(role: "assistant", content: "Hello."),
    ChatMessage(role: "user", content: "Why?"),
]

/// Name, the conversation's text with "<s>" and "</s>" as first and last token.
private let formats = [
    (
        "chatml",
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi!<|im_end|>\n<|im_start|>assistant\n"
            + "Hello.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    ),
    (
        "llama2",
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi! [/INST] Hello. </s><s>[INST] Why? [/INST]"
    ),
    (
        "llama3",
        "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user"
            + "<|end_header_id|>\n\nHi!<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
            + "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
            + "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    (
        "gemma",
        "<s><start_of_turn>user\nBe brief.\n\nHi!<end_of_turn>\n<start_of_turn>model\nHello.<end_of_turn>\n"
            + "<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n"
    ),
    ("mistral", "<s>[INST] Be brief.\n\nHi! [/INST] Hello.</s>[INST] Why? [/INST]"),
    ("plain", "<s>Be brief.\n\nUser: Hi!\nAssistant: Hello.\nUser: Why?\nAssistant:"),
    ("vicuna", "<s>Be brief.\n\nUSER: Hi!\nASSISTANT: Hello.</s>\nUSER: Why?\nASSISTANT:"),
]

@Test(arguments: formats.indices)
func builtInFormatsMatchTheirModels(index: Int) throws {
    let (name, expected) = formats[index]
    let template = try #require(ChatTemplate.builtIn(named: name))
    let text = try template.render(messages: conversation, bosToken: "<s>", eosToken: "</s>").string
    #expect(text == expected)
    // Without a system message and a prompt for the answer, nothing of either is left.
    let answered = try template.render(messages: Array(conversation[1...2]), addGenerationPrompt: false)
        .string
    #expect(!answered.contains("Be brief") && !answered.hasSuffix("Assistant:"))
}

@Test func everyBuiltInFormatExists() {
    #expect(ChatTemplate.builtInNames == formats.map(\.0).sorted())
    #expect(ChatTemplate.builtIn(named: "unknown") == nil)
}

@Test func formatsWithoutSystemRoleRefuseRolesOutOfTurn() throws {
    let template = try #require(ChatTemplate.builtIn(named: "gemma"))
    let error = #expect(throws: TemplateError.self) {
        try template.render(messages: [ChatMessage(role: "assistant", content: "x")])
    }
    #expect(error?.kind == .raised)
    #expect(error?.description == "found a message of assistant, expected user and assistant in turns")
}

@Test func extraVariablesReachTheTemplate() throws {
    let template = try ChatTemplate(
        source: "{{ tools }}{{ x }}{{ add_generation_prompt }}{{ messages | length }}")
    let text = try template.render(
        messages: conversation, addGenerationPrompt: false, extra: ["x": [1, "é"], "tools": "t"])
    #expect(text.string == "t[1, 'é']False4")
}

@Test func theDateIsTheOneGiven() throws {
    let template = try ChatTemplate(source: "{{ strftime_now('%d %b %Y, %A') }}")
    let leapDay = TemplateDate(year: 2024, month: 2, day: 29)
    #expect(try template.render([:], now: leapDay).string == "29 Feb 2024, Thursday")
    #expect(try template.render([:]).string.utf8.count > 15)
}

@Test func raisedMessagesSurfaceAsTheyAre() throws {
    let template = try ChatTemplate(source: "x{{ raise_exception('No ' ~ 'way.') }}")
    let error = #expect(throws: TemplateError.self) { try template.render([:]) }
    #expect(error?.kind == .raised)
    #expect(error?.description == "No way.")
}

/// Template, kind, line, column, part of the message.
private let faults: [(String, TemplateError.Kind, Int, Int, String)] = [
    ("a\n{{ 1 + }}", .syntax, 2, 8, "found '}}', expected an expression"),
    ("{% if x %}\n{% endfor %}", .syntax, 2, 4, "found 'endfor', expected a statement or '{% endif %}'"),
    ("{% if x %}", .syntax, 1, 11, "found the end of the template, expected '{% endif %}'"),
    ("{{ (1] }}", .syntax, 1, 6, "found ']', expected ')'"),
    ("é{{ 'x }}", .syntax, 1, 5, "expected '''"),
    ("{% include 'x' %}", .syntax, 1, 4, "found 'include', expected a statement"),
    ("{{ 99999999999999999999 }}", .syntax, 1, 4, "expected an integer of 64 bits"),
    ("ab\n  {{ x.y }}", .evaluation, 2, 7, "'x' is undefined"),
    ("{{ 'a' + 1 }}", .evaluation, 1, 4, "found a str + a int"),
    ("{{ [].append(1) }}", .evaluation, 1, 13, "access to 'append' of a list is not allowed"),
    ("{{ 1 | nonsense }}", .evaluation, 1, 8, "found the filter 'nonsense'"),
    ("{{ 9223372036854775807 + 1 }}", .evaluation, 1, 4, "does not fit an integer of 64 bits"),
    ("{{ range(1000000) }}", .limit, 1, 9, "a range of 1000000 elements, expected at most 100000"),
]

@Test(arguments: faults.indices)
func errorsNameTheirPlace(index: Int) {
    let (source, kind, line, column, part) = faults[index]
    let error = #expect(throws: TemplateError.self) { try ChatTemplate(source: source).render([:]) }
    #expect(error?.kind == kind)
    #expect(error?.line == line)
    #expect(error?.column == column, "\(source): \(error?.description ?? "")")
    #expect(error?.message.contains(part) == true, "\(error?.description ?? "")")
}
