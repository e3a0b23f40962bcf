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

    /// hidden += scale · after(W_O · attend(W_Q · x, W_K · x, W_V · x)), x = before(hidden)
    private func attention(
        _ block: BlockWeights, _ weights: BlockWeights.Attention, layer: Int, _ segments: BatchSegments
    ) {
        let tokenCount = segments.tokenCount
        normalize(weights.norm, tokenCount, quantizing: weights.takesCodes)
        tap(.attention(layer), scratch.normalized, .values, segments)
        compute.multiply(
            Projection(weights.query, into: scratch.query), Projection(weights.key, into: scratch.key),
            Projection(weights.value, into: scratch.value), by: scratch.normalized, tokenCount: tokenCount,
            prefetching: block.prefetch.mixerOutput)
        if let gate = weights.gate, let gates = scratch.attentionGate {
            compute.multiply(
                Projection(gate, into: gates), by: scratch.normalized, tokenCount: tokenCount)
        }
        segments.forEach { attend(block, weights, layer: layer, $0) }
        tap(.outputProjection(layer), scratch.attentionOutput, weights.output.inputForm, segments)
        compute.multiply(
            Projection(weights.output, into: scratch.update), by: scratch.attentionOutput,
            tokenCount: tokenCount,
            prefetching: block.prefetch.gate)
        addUpdate(
            bias: weights.outputBias, norm: weights.postNorm, scale: block.residualScale, .attentionOutput,
            layer: layer, segments)
    }

    /// Appends a timeline's keys and values to its KV cache, and lets its queries attend to the cached positions.
    private func attend(
        _ block: BlockWeights, _ weights: BlockWeights.Attention, layer: Int, _ segment: BatchSegment
    ) {
        guard let cache = segment.state.caches[layer] else {
            preconditionFailure("ForwardPass: attention without keys and values")
        }
        let count = segment.rows.count
        let angles = weights.rotary.map {
            compute.angles($0.table(contextLength: cache.capacity), segment.positions)
        }
        // A quantized cache holds keys without their large biases.
        let separateBias = cache.encoding == .float32 ? nil : weights.separateKeyBias
        let (position, firstRow) = (segment.positions.lowerBound, segment.rows.lowerBound)
        let work = weights.query.rows + 4 * weights.key.rows
        compute.forTokens(count, elementCount: work, firstRow: firstRow) { rows in
            positionHeads(
                rows, weights, keyBias: separateBias?.rest ?? weights.keyBias, angles, firstPosition: position
            )
            // Keys are cached after RoPE, so cached keys are never rotated again.
            rows.append(
                key: scratch.key, value: scratch.value, to: cache, firstPosition: position)
        }
        let isTapped = tapsHeads(layer: layer, segment)
        compute.attend(
            query: scratch.query, cache: cache, firstPosition: position, tokenCount: count,
            headCount: model.configuration.headCount, scale: weights.plan.scale, window: weights.plan.window,
            softcap: weights.plan.softcap, keyBias: separateBias, firstRow: firstRow,
            into: scratch.attentionOutput,
            form: isTapped || weights.gate != nil ? .values : weights.output.inputForm,
            prefetching: block.prefetch.mixerOutput)
        if isTapped { tapHeads(layer: layer, weights, segment) }
        guard let gates = scratch.attentionGate, weights.gate != nil else { return }
        let output = scratch.attentionOutput
        compute.forTokens(count, elementCount: 8 * output.columns, firstRow: firstRow) { rows in
            rows.gateSigmoid(gates, output)
            if weights.output.inputForm == .codes { rows.quantize(output) }
        }
    }

    /// Bias, norm and RoPE of queries and keys; temperature of queries; bias of values.
    private func positionHeads(
        _ rows: TokenRows, _ block: BlockWeights.Attention, keyBias: WeightVector?, _ angles: RotaryAngles?,
        firstPosition: Int
    ) {
        let (query, key, plan) = (scratch.query, scratch.key, block.plan)
        let headSize = model.configuration.headSize
        let (heads, keyHeads) = (model.configuration.headCount, model.configuration.keyValueHeadCount)
        if let bias = block.queryBias { rows.addBias(bias, to: query) }
        if let keyBias { rows.addBias(keyBias, to: key) }
        if let bias = block.valueBias { rows.addBias(bias, to: scratch.value) }
        if !plan.normFollowsRotary { normalizeHeads(rows, block) }
        if let angles {
            rows.rotate(query, by: angles, headCount: heads, headSize: headSize)
            rows.rotate(key, by: angles, headCount: keyHeads, headSize: headSize)
        }
        if plan.normFollowsRotary { normalizeHeads(rows, block) }
        if let temperature = plan.temperature {
            rows.scale(query, columns: heads * headSize) {
                temperature.queryFactor(position: firstPosition + $0)
            }
        }
    }

    /// The norms of queries and keys, of each head or of all of them.
    private func normalizeHeads(_ rows: TokenRows, _ block: BlockWeights.Attention) {
        let epsilon = model.configuration.rmsNormEpsilon
        if let norm = block.queryNorm {
            let count = model.configuration.querySize / norm.count
            rows.normalizeInPlace(scratch.query, weight: norm, epsilon: epsilon, rowsPerToken: count)
        }
        if let norm = block.keyNorm {
            let count = model.configuration.keyValueSize / norm.count
            rows.normalizeInPlace(scratch.key, weight: norm, epsilon: epsilon, rowsPerToken: count)
        }
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
