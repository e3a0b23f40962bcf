// SPDX-License-Identifier: Apache-2.0
// The forward pass, step by step as in the literature: embedding, then for each block attention and feed-forward around the
// residual stream, then norm and head.

import Formats
import Kernels
import Platform
import Steering

/// Evaluates tokens with one model; owns the scratch memory. Prompts run in batches (chunked prefill).
///
/// Any number of threads may evaluate: their batches take turns (`Compute.exclusively`), including those of other forward passes
/// on the same compute.
package final class ForwardPass: @unchecked Sendable {
    package let model: Model
    package let compute: Compute
    /// The most tokens that go through the blocks together.
    package let batchSize: Int

    let scratch: Scratch
    private let streamed: StreamedLayers?
    /// Whether all rows of the scratch memory are resident.
    var hasFilledScratch = false

    /// Default batch size in tokens: twice as many prefill a few percent faster, but use noticeably more memory.
    package static let defaultBatchSize = 128

    /// - streamed: layers that do not stay in memory; nil keeps all.
    /// - Throws: `AllocationError`.
    package init(
        model: Model, compute: Compute, batchSize: Int = defaultBatchSize, streamed: StreamedLayers? = nil
    ) throws(AllocationError) {
        self.model = model
        self.compute = compute
        self.batchSize = batchSize
        self.streamed = streamed
        scratch = try Scratch(configuration: model.configuration, batchSize: batchSize)
    }

    /// Returns whether the batch was evaluated to the end.
    @discardableResult
    func runLayers(
        _ tokens: UnsafeBufferPointer<Int32>, _ segments: BatchSegments,
        while shouldContinue: () -> Bool = { true }
    ) -> Bool {
        compute.embed(
            tokens, from: model.tokenEmbedding, scale: model.configuration.embeddingScale,
            into: scratch.hidden)
        segments.forEach { $0.state.begin($0.positions, isMessage: $0.beginsMessage) }
        for (layer, block) in model.blocks.enumerated() {
            guard shouldContinue() else { return false }
            if let attention = block.attention {
                self.attention(block, attention, layer: layer, segments)
            } else if let convolution = block.convolution {
                convolve(block, convolution, layer: layer, segments)
            } else if let rule = block.deltaRule {
                applyDeltaRule(block, rule, layer: layer, segments)
            }
            feedForward(block, layer: layer, segments)
            tapStream(layer: layer, segments)
            streamed?.evict(after: layer)
        }
        tapHeadInput(segments)
        segments.forEach { $0.state.end($0.positions, isMessage: $0.endsMessage) }
        if tokens.count == batchSize { hasFilledScratch = true }
        return true
    }

    /// hidden += scale · after(W_down · (act(W_gate · x) ⊙ W_up · x)), x = before(hidden); with a router the sum over some experts
    private func feedForward(_ block: BlockWeights, layer: Int, _ segments: BatchSegments) {
        let (weights, tokenCount) = (block.feedForward, segments.tokenCount)
        normalize(weights.norm, tokenCount, quantizing: weights.takesCodes)
        tap(.feedForward(layer), scratch.normalized, .values, segments)
        if let router = weights.router {
            mixture(weights, router: router, layer: layer, segments)
        } else {
            compute.multiplyGated(
                gate: weights.gate, up: weights.up, activation: weights.activation, by: scratch.normalized,
                tokenCount: tokenCount, into: scratch.intermediate, form: weights.down.inputForm,
                prefetching: block.prefetch.down)
            tap(.downProjection(layer), scratch.intermediate, weights.down.inputForm, segments)
            compute.multiply(
                Projection(weights.down, into: scratch.update), by: scratch.intermediate,
                tokenCount: tokenCount, prefetching: block.prefetch.next)
        }
        addUpdate(
            bias: nil, norm: weights.postNorm, scale: block.residualScale, .feedForwardOutput, layer: layer,
            segments)
    }

    /// normalized = RMSNorm(hidden), or hidden itself without a norm, in both forms where the following matrices read codes.
    func normalize(_ norm: WeightVector?, _ tokenCount: Int, quantizing: Bool) {
        let (hidden, normalized) = (scratch.hidden, scratch.normalized)
        compute.forTokens(tokenCount, elementCount: 4 * normalized.columns) { rows in
            if let norm {
                rows.normalize(
                    hidden, weight: norm, epsilon: model.configuration.rmsNormEpsilon, into: normalized)
            } else {
                rows.copy(hidden, into: normalized)
            }
            if quantizing { rows.quantize(normalized) }
        }
    }

    /// Adds the update of attention or feed-forward to the residual stream, after its bias, its post norm and its steering.
    func addUpdate(
        bias: WeightVector?, norm: WeightVector?, scale: Float, _ site: SteeringProfile.Site, layer: Int,
        _ segments: BatchSegments
    ) {
        let (update, hidden, width) = (scratch.update, scratch.hidden, model.configuration.hiddenSize)
        segments.forEach { segment in
            let (steering, place) = (segment.evaluation.steering, segment.place)
            compute.forTokens(segment.rows.count, elementCount: 2 * width, firstRow: place.firstRow) { rows in
                if let bias { rows.addBias(bias, to: update) }
                if let norm {
                    rows.normalizeInPlace(update, weight: norm, epsilon: model.configuration.rmsNormEpsilon)
                }
                steering.apply(site, layer: layer, to: update, tokens: rows.tokens, place, with: compute)
                rows.add(update, scale: scale, to: hidden, columns: width)
            }
        }
    }
}
