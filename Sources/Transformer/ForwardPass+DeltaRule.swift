// SPDX-License-Identifier: Apache-2.0
// A layer with linear attention by the gated delta rule (Gated DeltaNet, arXiv 2412.06464).

import Formats
import Kernels
import Platform

extension ForwardPass {
    /// hidden += scale · after(W_out · (norm(rule(q, k, v)) ⊙ silu(W_gate · x))), x = before(hidden), (q, k, v) = silu(conv(W_in · x))
    func applyDeltaRule(
        _ block: BlockWeights, _ weights: BlockWeights.DeltaRule, layer: Int, _ segments: BatchSegments
    ) {
        guard let rule = scratch.deltaRule else {
            preconditionFailure("ForwardPass: no memory for a delta rule")
        }
        let (plan, tokenCount) = (weights.plan, segments.tokenCount)
        normalize(weights.norm, tokenCount, quantizing: weights.input.inputForm == .codes)
        tap(.attention(layer), scratch.normalized, .values, segments)
        compute.multiply(
            Projection(weights.input, into: rule.channels), Projection(weights.gate, into: rule.gate),
            by: scratch.normalized, tokenCount: tokenCount, prefetching: block.prefetch.mixerOutput)
        compute.multiply(
            Projection(weights.beta, into: rule.beta), Projection(weights.decay, into: rule.decay),
            by: scratch.normalized, tokenCount: tokenCount)
        segments.forEach { segment in
            let state = segment.state.numbers(ofLayer: layer)
            let tail = (plan.convolutionWidth - 1) * plan.channelCount
            compute.convolveSilu(
                rule.channels, weights: weights.kernel, width: plan.convolutionWidth,
                state: UnsafeMutableBufferPointer(rebasing: state[..<tail]), rows: segment.rows,
                into: rule.mixed)
            compute.applyDeltaRule(
                plan.shape, channels: rule.mixed, beta: rule.beta, decay: rule.decay,
                decayBias: weights.decayBias, decayRate: weights.decayRate,
                state: UnsafeMutableBufferPointer(rebasing: state[tail...]), rows: segment.rows,
                into: rule.output)
        }
        compute.forTokens(tokenCount, elementCount: 8 * plan.valueSize) { rows in
            rows.normalizeInPlace(
                rule.output.values, weight: weights.outputNorm, epsilon: model.configuration.rmsNormEpsilon,
                rowsPerToken: plan.valueHeadCount)
            rows.gateSilu(rule.gate, rule.output)
            if weights.output.inputForm == .codes { rows.quantize(rule.output) }
        }
        tap(.outputProjection(layer), rule.output, weights.output.inputForm, segments)
        compute.multiply(
            Projection(weights.output, into: scratch.update), by: rule.output, tokenCount: tokenCount,
            prefetching: block.prefetch.gate)
        addUpdate(
            bias: nil, norm: weights.postNorm, scale: block.residualScale, .attentionOutput, layer: layer,
            segments)
    }
}

extension LayerPlan.DeltaRule {
    /// The kernels' sizes.
    fileprivate var shape: DeltaRuleShape {
        DeltaRuleShape(
            keyHeadCount: keyHeadCount, valueHeadCount: valueHeadCount, keyHeadSize: keyHeadSize,
            valueHeadSize: valueHeadSize, cyclesKeyHeads: cyclesKeyHeads)
    }
}

/// The memory in which a delta rule computes a batch.
final class DeltaRuleScratch {
    /// Queries, keys and values before and after the convolution [batch × channels].
    let channels, mixed: AlignedBuffer<Float>
    /// [batch × valueSize]
    let gate: AlignedBuffer<Float>
    /// [batch × valueHeadCount]
    let beta, decay: AlignedBuffer<Float>
    /// [batch × valueSize]
    let output: Activations
    private let batchSize: Int

    /// - Throws: `AllocationError`.
    init(_ rule: LayerPlan.DeltaRule, batchSize: Int) throws(AllocationError) {
        self.batchSize = batchSize
        channels = try AlignedBuffer(count: batchSize * rule.channelCount)
        mixed = try AlignedBuffer(count: batchSize * rule.channelCount)
        gate = try AlignedBuffer(count: batchSize * rule.valueSize)
        beta = try AlignedBuffer(count: batchSize * rule.valueHeadCount)
        decay = try AlignedBuffer(count: batchSize * rule.valueHeadCount)
        output = try Activations(capacity: batchSize, columns: rule.valueSize)
    }

    /// Bytes that a full batch writes to.
    ///
    /// - form: the form that the model's projections read.
    static func byteCount(_ rule: LayerPlan.DeltaRule, batchSize: Int, form: ActivationForm) -> Int {
        AlignedBuffer<Float>.byteCount(
            batchSize * (2 * rule.channelCount + rule.valueSize + 2 * rule.valueHeadCount))
            + Activations.byteCount(
                capacity: batchSize, columns: rule.valueSize, values: true, codes: form == .codes)
    }

    private var buffers: [AlignedBuffer<Float>] { [channels, mixed, gate, beta, decay] }

    func allocatedByteCount(form: ActivationForm) -> Int {
        buffers.reduce(output.byteCount(values: true, codes: form == .codes)) { $0 + $1.byteCount }
    }

    /// Returns the memory of all rows but the first to the system.
    func release() {
        for buffer in buffers { buffer.release(after: buffer.count / batchSize) }
        output.release(after: 1)
    }
}
