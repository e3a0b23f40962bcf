// SPDX-License-Identifier: Apache-2.0
// From a conversation to the text that a model was trained to continue. Models publish the format as a Jinja template. A small
// interpreter renders it as Hugging Face transformers does, byte for byte, without access to files, imports or anything else
// outside the given values.

import JSON

/// A parsed chat template, which can render any number of conversations.
package struct ChatTemplate: Sendable {
    private let statements: [Statement]
    /// Kept to convert positions to lines and columns.
    private let source: [Unicode.Scalar]

    /// Parses a template.
    ///
    /// - Throws: A `syntax` or `limit` error with its position.
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

    /// Renders the template with the variables that its author expects.
    ///
    /// - Parameters:
    ///   - context: `messages`, `add_generation_prompt`, `bos_token`, `tools` and the like. Of these, only the two tokens
    ///     `bos_token` and `eos_token` and the usual roles count as the template's own text.
    ///   - limits: Limits on the cost of rendering.
    ///   - now: The time for `strftime_now`; nil means the current time.
    /// - Returns: The text with special tokens spelt out, and which parts come from the template.
    /// - Throws: An error with its position in the template, or the error that the template raised.
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
