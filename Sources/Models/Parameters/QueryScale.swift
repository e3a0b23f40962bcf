// SPDX-License-Identifier: Apache-2.0
// Factors of attention's scores that are not 1/√headSize.

import Formats

extension HuggingFaceParameters {
    /// Divides queries by the root of `query_pre_attn_scalar`, 256 if it is missing.
    /// - Throws: `ConversionError` for a number that is not positive.
    package func setQueryScalar(in configuration: inout ModelConfiguration) throws {
        let scalar = try text.optionalFloat("query_pre_attn_scalar") ?? 256
        guard scalar > 0 else {
            throw text.refusal("query_pre_attn_scalar", "\(scalar)", expected: "a positive number")
        }
        configuration.forEachLayer { $0.attention?.scale = 1 / scalar.squareRoot() }
    }
}

extension GGUFParameters {
    /// Divides queries by √(hiddenSize / headCount) in place of the root of the head's size.
    package func scaleQueriesByWidth(in configuration: inout ModelConfiguration) throws {
        let divisor = Float(configuration.hiddenSize / configuration.headCount).squareRoot()
        let factor = try attentionFactor(configuration.rotaries[0], headSize: configuration.headSize)
        configuration.forEachLayer { $0.attention?.scale = factor / divisor }
    }
}
