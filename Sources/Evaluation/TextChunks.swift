// SPDX-License-Identifier: Apache-2.0
// Splits a text as llama-perplexity does, so that figures are comparable: into chunks of the context's length. Only the
// second half of a chunk is scored, so that every scored token has a long context.

import Platform
import Tiller

/// The chunks of one text.
package struct TextChunks: Sendable {
    private let tokens: [Int32]
    private let beginOfText: Int32?
    package let contextLength: Int
    /// Number of chunks.
    package let count: Int

    /// Splits a text; tokens after the last whole chunk are left out.
    ///
    /// - Parameters:
    ///   - contextLength: tokens of a chunk.
    ///   - limit: chunks to score; nil scores all.
    /// - Throws: `TillerError.invalidOption` where the text is shorter than one chunk, `.outOfMemory`.
    package init(_ text: String, engine: Engine, contextLength: Int, limit: Int? = nil) throws(TillerError) {
        guard contextLength >= 4 else {
            throw .invalidOption("context is \(contextLength), expected at least 4")
        }
        // A text's tokens and the steps to them are arrays, which cannot refuse.
        do {
            try SystemMemory.requireRoom(byteCount: (1 << 20) + 16 * text.utf8.count)
        } catch { throw TillerError(error) }
        tokens = engine.encode(text)
        beginOfText = engine.beginOfText
        self.contextLength = contextLength
        let available = tokens.count / contextLength
        guard available > 0 else {
            throw .invalidOption("the text has \(tokens.count) tokens, one chunk needs \(contextLength)")
        }
        count = min(available, max(limit ?? available, 1))
    }

    /// A chunk's tokens; each chunk begins as a text does.
    package subscript(chunk: Int) -> [Int32] {
        var part = Array(tokens[chunk * contextLength..<(chunk + 1) * contextLength])
        if let beginOfText { part[0] = beginOfText }
        return part
    }

    /// The positions of a chunk whose distributions are scored, each by the token after it.
    package var scored: Range<Int> { contextLength / 2..<contextLength - 1 }
}
