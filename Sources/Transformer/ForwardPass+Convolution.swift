// SPDX-License-Identifier: Apache-2.0
// A layer that mixes tokens by a short convolution (LFM2).

import Formats
import Kernels
import Platform

extension ForwardPass {
    /// hidden += scale · after(W_out · (C ⊙ conv(B ⊙ x))), (B, C, x) = W_in · before(hidden)
    func convolve(
        _ block: BlockWeights, _ weights: BlockWeights.Convolution, layer: Int, _ segments: BatchSegments
    ) {
        guard let convolution = scratch.convolution else {
            preconditionFailure("ForwardPass: no memory for a convolution")
        }
        let tokenCount = segments.tokenCount
        normalize(weights.norm, tokenCount, quantizing: weights.input.inputForm == .codes)
        tap(.attention(layer), scratch.normalized, .values, segments)
        compute.multiply(
            Projection(weights.input, into: convolution.input), by: scratch.normalized,
            tokenCount: tokenCount, prefetching: block.prefetch.mixerOutput)
        segments.forEach { segment in
            compute.convolve(
                convolution.input, weights: weights.kernel, width: weights.plan.width,
                state: segment.state.numbers(ofLayer: layer), rows: segment.rows, into: convolution.output)
        }
        if weights.output.inputForm == .codes {
            compute.forTokens(tokenCount, elementCount: 4 * convolution.output.columns) {
                $0.quantize(convolution.output)
            }
        }
        tap(.outputProjection(layer), convolution.output, weights.output.inputForm, segments)
        compute.multiply(
            Projection(weights.output, into: scratch.update), by: convolution.output, tokenCount: tokenCount,
            prefetching: block.prefetch.gate)
        addUpdate(
            bias: nil, norm: weights.postNorm, scale: block.residualScale, .attentionOutput, layer: layer,
            segments)
    }
}

/// The memory in which a convolution computes a batch.
final class ConvolutionScratch {
    /// B, C and x [batch × 3 · hiddenSize].
    let input: AlignedBuffer<Float>
    /// C ⊙ conv(B ⊙ x) [batch × hiddenSize].
    let output: Activations

    /// - Throws: `AllocationError`.
    init(hiddenSize: Int, batchSize: Int) throws(AllocationError) {
        input = try AlignedBuffer(count: batchSize * 3 * hiddenSize)
        output = try Activations(capacity: batchSize, columns: hiddenSize)
    }

    /// Bytes that a full batch writes to.
    ///
    /// - form: the form that the model's projections read.
    static func byteCount(hiddenSize: Int, batchSize: Int, form: ActivationForm) -> Int {
        AlignedBuffer<Float>.byteCount(batchSize * 3 * hiddenSize)
            + Activations.byteCount(
                capacity: batchSize, columns: hiddenSize, values: true, codes: form == .codes)
    }

    func allocatedByteCount(form: ActivationForm) -> Int {
        input.byteCount + output.byteCount(values: true, codes: form == .codes)
    }

    /// Returns the memory of all rows but the first to the system.
    func release() {
        input.release(after: 3 * output.columns)
        output.release(after: 1)
    }
}
