// SPDX-License-Identifier: Apache-2.0
// The quality loss of a conversion, measured on the files themselves.

import Evaluation
import JSON
import Tiller

extension ConversionQuality {
    /// Tokens per chunk, of which the second half is scored.
    private static let contextLength = 256

    /// Runs both models over the text.
    ///
    /// - Parameter progress: called with (chunks done, chunks in all).
    /// - Returns: the manifest's `quality`; nil if the tokenizer yields too few tokens for the text.
    static func measure(
        _ engine: Engine, reference: Engine, encoding: String, progress: (Int, Int) -> Void
    ) throws -> JSON? {
        let text = MeasurementText.passages.joined(separator: "\n\n")
        guard engine.encode(text).count >= contextLength else { return nil }
        let meter = try DivergenceMeter(engine: engine, reference: reference, contextLength: contextLength)
        var json = try meter.measure(text, onChunk: progress).json
        json["reference"] = .string(encoding)
        return .object(json)
    }
}
