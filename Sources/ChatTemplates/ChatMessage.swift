// SPDX-License-Identifier: Apache-2.0
// The plain case: messages with a role and a text.

import JSON

/// One message of a conversation.
package struct ChatMessage: Equatable, Sendable {
    /// "system", "user" or "assistant"; templates may know others.
    package var role: String
    package var content: String

    package init(role: String, content: String) {
        self.role = role
        self.content = content
    }

    /// The message as templates see it.
    package var json: JSON { ["role": .string(role), "content": .string(content)] }
}

extension ChatTemplate {
    /// Renders a conversation.
    ///
    /// - Parameters:
    ///   - messages: The conversation so far.
    ///   - addGenerationPrompt: Whether the text ends where the assistant's answer begins.
    ///   - bosToken: The text of the model's first token; empty if it has none.
    ///   - eosToken: The text of the model's last token; empty if it has none.
    ///   - extra: Further variables, such as `tools` or `enable_thinking`; they win over those above.
    ///   - limits: What rendering may cost.
    ///   - now: What `strftime_now` shows; the current time if nil.
    /// - Returns: The text, with special tokens spelt out in it, and which parts the template wrote.
    /// - Throws: What the template raised, for instance on a role that the model does not know.
    package func render(
        messages: [ChatMessage], addGenerationPrompt: Bool = true, bosToken: String = "",
        eosToken: String = "", extra: JSON.Object = [:], limits: TemplateLimits = .default,
        now: TemplateDate? = nil
    ) throws(TemplateError) -> Text {
        // Templates test these two for none, not for being defined.
        var context: JSON.Object = ["tools": nil, "documents": nil]
        context["messages"] = .array(messages.map(\.json))
        context["add_generation_prompt"] = .bool(addGenerationPrompt)
        context["bos_token"] = .string(bosToken)
        context["eos_token"] = .string(eosToken)
        for member in extra { context[member.key] = member.value }
        return try render(context, limits: limits, now: now)
    }
}
