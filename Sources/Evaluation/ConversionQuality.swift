// SPDX-License-Identifier: Apache-2.0
// What a conversion cost, as a manifest tells it.

import JSON

/// How far a converted model is from what it was made from, over `MeasurementText`.
package struct ConversionQuality: Sendable {
    /// From here on a file says more about its quantization than about its model.
    package static let alarmingDivergence = 0.5

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
