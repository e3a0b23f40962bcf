// SPDX-License-Identifier: Apache-2.0
// A feed-forward that is a mixture of experts: each token is computed by those that the router chooses.

import Formats
import Kernels

extension ForwardPass {
    /// update = Σ weight · W_down · (act(W_gate · x) ⊙ W_up · x) over the experts that the router chooses for a token.
    func mixture(
        _ weights: BlockWeights.FeedForward, router: WeightMatrix, layer: Int, _ segments: BatchSegments
    ) {
        guard let experts = weights.plan.experts, let mixture = scratch.mixture(experts) else {
            preconditionFailure("ForwardPass: no memory for a mixture of experts")
        }
        let (tokenCount, routes) = (segments.tokenCount, mixture.routes)
        compute.multiply(
            Projection(router, into: mixture.logits), by: scratch.normalized, tokenCount: tokenCount)
        compute.route(
            mixture.logits, tokenCount: tokenCount, normalizes: experts.normalizesWeights, into: routes)
        compute.gather(
            scratch.normalized, routes, values: weights.takesValues, codes: weights.takesCodes,
            into: mixture.input)
        compute.multiplyGatedExperts(
            gate: weights.gate, up: weights.up, activation: weights.activation, by: mixture.input, routes,
            into: mixture.intermediate, form: weights.down.inputForm)
        tap(
            .downProjection(layer), mixture.intermediate, weights.down.inputForm, segments,
            rowCount: routes.rowCount)
        compute.multiplyExperts(
            weights.down, rowCount: model.configuration.hiddenSize, by: mixture.intermediate, routes,
            into: mixture.output)
        compute.combine(
            mixture.output, routes, columns: model.configuration.hiddenSize, into: scratch.update)
    }
}
