// SPDX-License-Identifier: Apache-2.0
// The sizes of a mixture of experts, in both kinds of sources.

import Formats

extension GGUFParameters {
    /// - Parameters:
    ///   - sizeKey: the key of an expert's width.
    ///   - normalizesWeights: whether the family divides the weights of the experts used by their sum.
    package func experts(
        sizeKey: String = "expert_feed_forward_length", normalizesWeights: Bool
    ) throws -> LayerPlan.FeedForward.Experts {
        let sharedKey = "expert_shared_feed_forward_length"
        if let shared = try optionalInteger(sharedKey), shared != 0 {
            throw refusal(sharedKey, "\(shared)", expected: "0: no expert computes every token")
        }
        return .init(
            count: try integer("expert_count", in: 1...1024),
            usedCount: try integer("expert_used_count", in: 1...1024),
            intermediateSize: try integer(sizeKey), normalizesWeights: normalizesWeights)
    }
}

extension HuggingFaceParameters {
    /// - Parameters:
    ///   - countKeys: the members that may name the number of experts, the first one first.
    ///   - sizeKey: the member of an expert's width.
    ///   - normalizesWeights: whether the weights of the experts used are divided by their sum.
    package func experts(
        countKeys: [String], sizeKey: String, defaults: [String: Int] = [:], normalizesWeights: Bool
    ) throws -> LayerPlan.FeedForward.Experts {
        let key = countKeys.first { text[$0] != nil } ?? countKeys[0]
        return .init(
            count: try integer(key, defaults), usedCount: try integer("num_experts_per_tok", defaults),
            intermediateSize: try integer(sizeKey, defaults), normalizesWeights: normalizesWeights)
    }
}
