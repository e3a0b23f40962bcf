// SPDX-License-Identifier: Apache-2.0
// A layer that mixes tokens by attention.

import Formats
import Kernels
import Platform
import Steering

extension ForwardPass {
    /// hidden += scale · after(W_O · attend(W_Q · x, W_K · x, W_V · x)), x = before(hidden)
    func attention(
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
}
