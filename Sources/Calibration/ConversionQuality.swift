// SPDX-License-Identifier: Apache-2.0
// What a conversion cost, measured on the files themselves.

import Evaluation
import JSON
import Tiller

/// How far a converted model is from what it was made from, over `MeasurementText`.
package struct ConversionQuality: Sendable {
    /// From here on a file says more about its quantization than about its model.
    package static let alarmingDivergence = 0.5
    /// Tokens of a chunk, of which the second half is scored.
    private static let contextLength = 256

    /// Mean KL(reference ‖ converted) in nats by token, and its 99th percentile.
    package let mean, high: Double
    /// Share of tokens for which both find the same one the most likely.
    package let sameTop: Double
    package let perplexity, referencePerplexity: Double
    /// Encoding of the weights that the reference ran with.
    package let reference: String

    package var isAlarming: Bool { !(mean <= Self.alarmingDivergence) }
}

extension ConversionQuality {
    /// Runs both models over the text.
    ///
    /// - Parameter progress: called with (chunks done, chunks in all).
    /// - Returns: the manifest's `quality`; nil for a tokenizer that leaves too few tokens of the text.
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

    /// Reads a manifest's `quality`; nil where it holds something else.
    package init?(_ json: JSON) {
        func number(_ key: String) -> Double? { json[key]?.doubleValue }
        guard let mean = number("mean_kl"), let high = number("p99_kl"), let sameTop = number("same_top"),
            let perplexity = number("perplexity"), let referencePerplexity = number("reference_perplexity"),
            let reference = json["reference"]?.stringValue
        else { return nil }
        (self.mean, self.high, self.sameTop) = (mean, high, sameTop)
        (self.perplexity, self.referencePerplexity, self.reference) = (
            perplexity, referencePerplexity, reference
        )
    }
}
