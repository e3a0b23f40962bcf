// SPDX-License-Identifier: Apache-2.0
// Conversations: the model's own chat template renders messages as text.

import ChatTemplates
import Platform
import Tokenization

/// One message of a conversation.
public struct Message: Sendable, Equatable {
    /// "system", "user" or "assistant".
    public var role: String
    public var content: String

    public init(role: String, content: String) {
        self.role = role
        self.content = content
    }
}

extension Engine {
    /// Whether the model has a chat template; others are prompted as a plain dialogue.
    public var hasChatTemplate: Bool { file.chatTemplate != nil }

    /// Texts that end an answer besides the model's own end-of-turn tokens.
    ///
    /// A model without a template continues the dialogue and would go on to speak for the user.
    public var turnStops: [String] { hasChatTemplate ? [] : ["\nUser:", "\nAssistant:"] }

    /// The tokens of a conversation, up to the start of the assistant's answer.
    ///
    /// Only the template's own text becomes control tokens. Text from a message stays text, no matter what the template does with
    /// it; so does a role other than the usual ones.
    ///
    /// After an interrupt that the program catches, it returns the tokens encoded so far.
    ///
    /// - Throws: `TillerError.template` if the template rejects the messages.
    public func encode(conversation: [Message], addingGenerationPrompt: Bool = true) throws(TillerError)
        -> [Int32]
    {
        try encode(conversation, addingGenerationPrompt: addingGenerationPrompt, maximumCount: .max)
    }

    /// The same for a conversation that must fit a context: encoding stops as soon as it is known to be too long.
    ///
    /// - Throws: `TillerError.template`, or `.contextOverflow` with the tokens counted so far.
    package func encode(conversation: [Message], fitting contextLength: Int) throws(TillerError) -> [Int32] {
        let tokens = try encode(conversation, addingGenerationPrompt: true, maximumCount: contextLength)
        try requireRoom(tokens.count, contextLength)
        return tokens
    }

    private func encode(
        _ conversation: [Message], addingGenerationPrompt: Bool, maximumCount: Int
    ) throws(TillerError) -> [Int32] {
        let text = try renderedText(conversation, addingGenerationPrompt: addingGenerationPrompt)
        if maximumCount < .max { try requireRoom(tokenizer.leastTokenCount(of: text.string), maximumCount) }
        var tokens = tokenizer.encode(
            text.string, controlTokensIn: text.templateRanges, maximumCount: maximumCount
        ) { Interrupt.isRequested }
        // Templates usually write the beginning-of-sequence token themselves.
        if let begin = tokenizer.beginOfSequence, tokenizer.addsBeginOfSequence, tokens.first != begin {
            tokens.insert(begin, at: 0)
        }
        return tokens
    }

    /// The text of a conversation.
    public func render(_ conversation: [Message], addingGenerationPrompt: Bool = true) throws(TillerError)
        -> String
    {
        try renderedText(conversation, addingGenerationPrompt: addingGenerationPrompt).string
    }

    /// The text of a conversation, and which parts of it come from the template.
    package func renderedText(_ conversation: [Message], addingGenerationPrompt: Bool) throws(TillerError)
        -> Text
    {
        do {
            let template = try file.chatTemplate.map { try ChatTemplate(source: $0) } ?? plainDialogue
            return try template.render(
                messages: conversation.map { ChatMessage(role: $0.role, content: $0.content) },
                addGenerationPrompt: addingGenerationPrompt,
                bosToken: tokenizer.beginOfSequence.map(tokenizer.text(of:)) ?? "",
                eosToken: tokenizer.endOfSequence.map(tokenizer.text(of:)) ?? "", extra: [:])
        } catch { throw .template("\(error)") }
    }
}

/// The prompt of a model without a template: alternating "User: …" and "Assistant: …".
private var plainDialogue: ChatTemplate {
    guard let template = ChatTemplate.builtIn(named: "plain") else {
        preconditionFailure("the built-in template 'plain' is missing")
    }
    return template
}
