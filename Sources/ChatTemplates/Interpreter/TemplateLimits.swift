// SPDX-License-Identifier: Apache-2.0
// A template comes with a downloaded model and is as untrusted as its weights: its time, memory and stack are limited, and every
// operation consumes a common budget.

/// Limits on the cost of rendering.
package struct TemplateLimits: Sendable {
    /// Operations: nodes evaluated, plus the elements and bytes that they copy or scan.
    package var stepCount = 10_000_000
    /// Bytes of the rendered text, and of any one string.
    package var outputByteCount = 8 << 20
    /// Nested evaluations: expressions inside statements inside macros.
    package var depth = 500
    /// Elements of one `range`, as in Jinja's sandbox.
    package var rangeCount = 100_000

    package init() {}

    package static let `default` = TemplateLimits()

    /// Bytes of a template's source.
    package static let sourceByteCount = 256 << 10
    /// Characters of a name.
    static let nameLength = 256
    /// Nested brackets, statements and operators in a template's source.
    static let syntaxDepth = 100
    /// Attributes, subscripts, calls or filters in one chain.
    static let chainLength = 40
    /// Nested lists and mappings of a value.
    static let valueDepth = 200
}

/// The budget of one rendering.
final class Budget {
    let limits: TemplateLimits
    private var remaining: Int

    init(_ limits: TemplateLimits) {
        self.limits = limits
        remaining = limits.stepCount
    }

    func spend(_ steps: Int = 1) throws(TemplateError) {
        // Compared before subtracting: a size may be close to Int.max.
        guard steps <= remaining else { throw .limit("more than \(limits.stepCount) steps") }
        remaining -= steps
    }

    /// Consumes budget for bytes copied or scanned, and checks the size of a string.
    func spend(bytes: Int) throws(TemplateError) {
        try check(byteCount: bytes)
        try spend(1 + bytes / 16)
    }

    /// Checks the size of a string whose parts were already counted.
    func check(byteCount: Int) throws(TemplateError) {
        guard byteCount <= limits.outputByteCount else {
            throw .limit("a text of \(byteCount) bytes, expected at most \(limits.outputByteCount)")
        }
    }

    /// Consumes budget for bytes whose scalars are looked up in Unicode tables, or put into a set.
    func spend(scalars byteCount: Int) throws(TemplateError) {
        try check(byteCount: byteCount)
        try spend(1 + byteCount / 2)
    }

    /// Consumes budget for elements of a list: each takes as much memory as 64 bytes of text.
    func spend(elements: Int) throws(TemplateError) {
        guard elements <= limits.stepCount else { throw .limit("more than \(limits.stepCount) steps") }
        try spend(1 + elements * 4)
    }
}
