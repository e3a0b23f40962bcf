// SPDX-License-Identifier: Apache-2.0
// From a conversation to the text that a model was trained to continue. Models publish this as a
// Jinja template; here it is rendered as Hugging Face transformers does, byte for byte, by a small
// interpreter without access to files, imports or anything outside the values that it is given.

import JSON

/// A chat template, read and ready to render any number of conversations.
package struct ChatTemplate: Sendable {
    private let statements: [Statement]
    /// Kept to turn positions into lines and columns.
    private let source: [Unicode.Scalar]

    /// Reads a template.
    ///
    /// - Throws: A `syntax` or `limit` error with its place.
    package init(source text: String) throws(TemplateError) {
        guard text.utf8.count <= TemplateLimits.sourceByteCount else {
            throw .limit(
                "a template of \(text.utf8.count) bytes, expected at most \(TemplateLimits.sourceByteCount)")
        }
        var lexer = Lexer(text)
        source = lexer.source
        do throws(TemplateError) {
            var parser = Parser(tokens: try lexer.tokenize())
            statements = try parser.parseTemplate()
        } catch {
            throw error.located(in: lexer.source)
        }
    }

    /// Renders the template with variables as its author expects them.
    ///
    /// - Parameters:
    ///   - context: `messages`, `add_generation_prompt`, `bos_token`, `tools` and the like. Of all this only the two
    ///     tokens `bos_token` and `eos_token` and the usual roles count as the template's own words.
    ///   - limits: What rendering may cost.
    ///   - now: What `strftime_now` shows; the current time if nil.
    /// - Returns: The text, with special tokens spelt out in it, and which parts the template wrote.
    /// - Throws: An error with its place in the template, or what the template itself raised.
    package func render(
        _ context: JSON.Object, limits: TemplateLimits = .default, now: TemplateDate? = nil
    ) throws(TemplateError) -> Text {
        let interpreter = Interpreter(limits: limits, now: now ?? .current())
        do throws(TemplateError) {
            var variables: [String: Value] = [:]
            for member in context { variables[member.key] = try Value(member.value, interpreter.budget) }
            for name in ["bos_token", "eos_token"] {
                if let token = variables[name]?.string { variables[name] = .string(Text(token)) }
            }
            return try interpreter.render(statements, variables)
        } catch {
            throw error.located(in: source)
        }
    }
}
