// SPDX-License-Identifier: Apache-2.0
// Conversations: messages become text by the model's own template.

import ChatTemplates
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
    /// Whether the model brings a chat template; others are prompted as a plain dialogue.
    public var hasChatTemplate: Bool { file.chatTemplate != nil }

    /// Texts that end an answer besides the model's own ends of a turn.
    ///
    /// A model without a template continues the dialogue, and would go on to speak for the user.
    public var turnStops: [String] { hasChatTemplate ? [] : ["\nUser:", "\nAssistant:"] }

    /// The tokens of a conversation, ready for the assistant's answer.
    ///
    /// Only the template's own text may form special tokens: those written out in a message's content stay text.
    /// - Throws: `TillerError.template` where the template refuses the messages.
    public func encode(conversation: [Message], addingGenerationPrompt: Bool = true) throws(TillerError)
        -> [Int32]
    {
        let text = try render(conversation, addingGenerationPrompt: addingGenerationPrompt)
        var tokens: [Int32] = []
        for piece in pieces(of: text, conversation: conversation) {
            tokens += tokenizer.encode(piece.text, addSpecial: false, parseSpecial: !piece.isContent)
        }
        // Templates usually write the beginning of the text themselves.
        if let begin = tokenizer.beginOfSequence, tokenizer.addsBeginOfSequence, tokens.first != begin {
            tokens.insert(begin, at: 0)
        }
        return tokens
    }

    /// The text of a conversation.
    public func render(_ conversation: [Message], addingGenerationPrompt: Bool = true) throws(TillerError)
        -> String
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

/// How a model without a template is prompted: "User: …" and "Assistant: …" by turns.
private var plainDialogue: ChatTemplate {
    guard let template = ChatTemplate.builtIn(named: "plain") else {
        preconditionFailure("the built-in template 'plain' is missing")
    }
    return template
}

// MARK: - Special tokens stay the template's

extension Engine {
    /// A stretch of rendered text: the template's own, or a message's content that imitates special tokens.
    private struct Piece {
        let text: String
        let isContent: Bool
    }

    /// Cuts rendered text around contents that would otherwise turn into special tokens.
    ///
    /// Ordinary conversations stay in one piece, so that tokens form across the borders of messages as the
    /// model was trained.
    private func pieces(of text: String, conversation: [Message]) -> [Piece] {
        var pieces: [Piece] = []
        var rest = Array(text.utf8)[...]
        for message in conversation where imitatesSpecialTokens(message.content) {
            // Templates trim contents; what is left of one is found in the order of the messages.
            let content = Array(message.content.utf8).trimmed
            guard let start = rest.firstRange(of: content) else { continue }
            pieces.append(Piece(text: String(decoding: rest[..<start], as: UTF8.self), isContent: false))
            pieces.append(Piece(text: String(decoding: content, as: UTF8.self), isContent: true))
            rest = rest[(start + content.count)...]
        }
        pieces.append(Piece(text: String(decoding: rest, as: UTF8.self), isContent: false))
        return pieces.filter { !$0.text.isEmpty }
    }

    private func imitatesSpecialTokens(_ content: String) -> Bool {
        tokenizer.encode(content, addSpecial: false, parseSpecial: true)
            != tokenizer.encode(content, addSpecial: false, parseSpecial: false)
    }
}

extension [UInt8] {
    /// Without ASCII white space at both ends.
    fileprivate var trimmed: ArraySlice<UInt8> {
        let isSpace = { (byte: UInt8) in byte == 32 || (9...13).contains(byte) }
        guard let first = firstIndex(where: { !isSpace($0) }), let last = lastIndex(where: { !isSpace($0) })
        else {
            return []
        }
        return self[first...last]
    }
}

extension ArraySlice<UInt8> {
    /// Where the first occurrence of a needle starts.
    fileprivate func firstRange(of needle: ArraySlice<UInt8>) -> Index? {
        guard !needle.isEmpty, needle.count <= count else { return nil }
        return (startIndex...(endIndex - needle.count)).first { self[$0...].starts(with: needle) }
    }
}
