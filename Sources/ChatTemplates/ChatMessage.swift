// SPDX-License-Identifier: Apache-2.0
// The plain case: messages with a role and a text.

import JSON

/// One message of a conversation.
package struct ChatMessage: Equatable, Sendable {
    /// "system", "user" or "assistant"; templates may define others.
    package var role: String
    package var content: String

    package init(role: String, content: String) {
        self.role = role
        self.content = content
    }

    /// The message in the form that templates receive.
    package var json: JSON { ["role": .string(role), "content": .string(content)] }
}

extension ChatTemplate {
    /// Renders a conversation.
    ///
    /// - Parameters:
    ///   - messages: The conversation so far.
    ///   - addGenerationPrompt: Whether the text ends where the assistant's answer starts.
    ///   - bosToken: The text of the model's first token; empty if it has none.
    ///   - eosToken: The text of the model's last token; empty if it has none.
    ///   - extra: Further variables, such as `tools` or `enable_thinking`; they override those above.
    ///   - limits: Limits on the cost of rendering.
    ///   - now: The time for `strftime_now`; nil means the current time.
    /// - Returns: The text with special tokens spelt out, and which parts come from the template.
    /// - Throws: The error that the template raised, for instance for a role that the model does not support.
    package func render(
        messages: [ChatMessage], addGenerationPrompt: Bool = true, bosToken: String = "",
        eosToken: String = "", extra: JSON.Object = [:], limits: TemplateLimits = .default,
        now: TemplateDate? = nil
    ) throws(TemplateError) -> Text {
        // Templates compare these two with none, and do not test whether they are defined.
        var context: JSON.Object = ["tools": nil, "documents": nil]
        context["messages"] = .array(messages.map(\.json))
        context["add_generation_prompt"] = .bool(addGenerationPrompt)
        context["bos_token"] = .string(bosToken)
        context["eos_token"] = .string(eosToken)
        for member in extra { context[member.key] = member.value }
        return try render(context, limits: limits, now: now)
    }
}
