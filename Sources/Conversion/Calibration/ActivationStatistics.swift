// SPDX-License-Identifier: Apache-2.0
// Runs text through a model and records the inputs of its matrices.

import Formats
import Tiller
import Transformer

/// The text that calibrates a model.
package enum CalibrationSource: Sendable {
    /// `CalibrationText`, conversations in the model's own template.
    case builtIn
    /// The user's text.
    case text(String)
}

extension CalibrationSource {
    /// Tokens per evaluation.
    static let contextLength = 512
    /// Limit on the pieces per text; a longer text is sampled at even distances.
    static let maximumPieceCount = 64

    /// Lists of at most `contextLength` tokens, each evaluated from an empty context.
    /// - Throws: `TillerError.invalidOption` for a text with too few tokens.
    func tokenLists(_ engine: Engine) throws(TillerError) -> [[Int32]] {
        switch self {
        case .builtIn:
            let passages = CalibrationText.passages.map { engine.encode($0) }
            // Conversations that the template rejects are skipped (Gemma's rejects a system message).
            let conversations = CalibrationText.conversations.compactMap { messages in
                try? engine.encode(
                    conversation: messages.map { Message(role: $0.role, content: $0.text) },
                    addingGenerationPrompt: false)
            }
            return (passages + conversations).map { Array($0.prefix(Self.contextLength)) }.filter {
                $0.count > 1
            }
        case .text(let text):
            let tokens = engine.encode(text)
            guard tokens.count >= 64 else {
                throw .invalidOption("the calibration text has \(tokens.count) tokens, expected at least 64")
            }
            let count = (tokens.count + Self.contextLength - 1) / Self.contextLength
            let stride = max(1, count / Self.maximumPieceCount)
            return Swift.stride(from: 0, to: count, by: stride).prefix(Self.maximumPieceCount).map { piece in
                let start = piece * Self.contextLength
                var list = Array(tokens[start..<min(start + Self.contextLength, tokens.count)])
                if let begin = engine.beginOfText { list[0] = begin }
                return list
            }.filter { $0.count > 1 }
        }
    }
}

extension CalibrationStatistics {
    /// Gathers statistics.
    ///
    /// - Parameter progress: called with (lists done, lists in all); false stops.
    /// - Throws: `CancellationError` when stopped, or the errors of `CalibrationSource`.
    static func gather(
        _ lists: [[Int32]], engine: Engine, progress: (Int, Int) -> Bool
    ) throws -> CalibrationStatistics {
        let recorder = InputRecorder(configuration: engine.model.configuration)
        let session = try engine.makeSession(contextLength: CalibrationSource.contextLength)
        for (index, list) in lists.enumerated() {
            guard progress(index, lists.count) else { throw CancellationError() }
            session.record(list, with: recorder)
        }
        guard progress(lists.count, lists.count) else { throw CancellationError() }
        return recorder.statistics()
    }
}
