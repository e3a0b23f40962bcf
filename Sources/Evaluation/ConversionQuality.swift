// SPDX-License-Identifier: Apache-2.0
// The quality loss of a conversion, as its manifest records it.

import JSON

/// The divergence of a converted model from its source, over `MeasurementText`.
package struct ConversionQuality: Sendable {
    /// Above this divergence a file reflects its quantization more than its model.
    package static let alarmingDivergence = 0.5

    /// Mean KL(reference ‖ converted) in nats per token, and its 99th percentile.
    package let mean, high: Double
    /// Share of tokens for which both models have the same most likely token.
    package let sameTop: Double
    package let perplexity, referencePerplexity: Double
    /// Encoding of the reference's weights.
    package let reference: String

    package var isAlarming: Bool { !(mean <= Self.alarmingDivergence) }
}

extension ConversionQuality {
    /// Reads a manifest's `quality`; nil where a figure is missing.
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
