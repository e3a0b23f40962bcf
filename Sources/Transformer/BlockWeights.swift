// SPDX-License-Identifier: Apache-2.0
// The weights of one block as views of the mapped file, with their part of the configuration.

import Formats
import Kernels
import Quantization

/// The weights of one transformer block. Matrices are [output × input].
///
/// A class, because the forward pass hands a block from step to step: a reference costs less than a copy of more than a kilobyte.
package final class BlockWeights: Sendable {
    /// Attention with at most as many key and value heads as query heads (grouped-query attention, GQA).
    package struct Attention: Sendable {
        /// nil in a layer with norms after only.
        package let norm: WeightVector?
        package let query, key, value, output: WeightMatrix
        /// The gate of the heads' outputs [headCount · headSize × hiddenSize]; nil without one.
        package let gate: WeightMatrix?
        package let queryBias, keyBias, valueBias, outputBias: WeightVector?
        package let queryNorm, keyNorm: WeightVector?
        package let postNorm: WeightVector?
        package let plan: LayerPlan.Attention
        /// RoPE for queries and keys; nil in a layer without it (NoPE).
        let rotary: Rotary?
        /// [headCount · headSize], factors that restore the source's scale of the heads' outputs; nil if they are unscaled.
        let headFactors: [Float]?
        /// The part of the key bias that a quantized KV cache leaves out, where that bias is large.
        package let separateKeyBias: KeyBias?

        /// Whether a projection of the normalized stream reads its 8-bit form.
        var takesCodes: Bool {
            query.inputForm == .codes || key.inputForm == .codes || value.inputForm == .codes
        }
    }

    package struct FeedForward: Sendable {
        /// nil in a layer with norms after only.
        package let norm: WeightVector?
        /// In a mixture those of all experts, one below the other.
        package let gate, up, down: WeightMatrix
        /// [experts × hidden]; nil without a mixture of experts.
        package let router: WeightMatrix?
        package let postNorm: WeightVector?
        package let plan: LayerPlan.FeedForward

        var activation: GateActivation { plan.activation.kernel }
        /// Whether a projection of the normalized stream reads its 8-bit form.
        var takesCodes: Bool { gate.inputForm == .codes || up.inputForm == .codes }
        /// Whether one reads it in Float.
        var takesValues: Bool { gate.inputForm == .values || up.inputForm == .values }
    }

    /// A short convolution of the residual stream, gated before and after.
    package struct Convolution: Sendable {
        package let norm: WeightVector?
        /// [3 · hiddenSize × hiddenSize]: B, C and x.
        package let input: WeightMatrix
        /// [hiddenSize × hiddenSize]
        package let output: WeightMatrix
        /// The weights of each tap, that of the oldest token first [width × hiddenSize].
        let kernel: [Float]
        package let postNorm: WeightVector?
        package let plan: LayerPlan.ShortConvolution
    }

    /// Linear attention by the gated delta rule.
    package struct DeltaRule: Sendable {
        package let norm: WeightVector?
        /// Queries, keys and values [channels × hiddenSize], and the gate of the output [valueSize × hiddenSize].
        package let input, gate: WeightMatrix
        /// [valueHeadCount × hiddenSize]
        package let beta, decay: WeightMatrix
        let decayBias, decayRate, outputNorm: WeightVector
        /// [hiddenSize × valueSize]
        package let output: WeightMatrix
        /// The weights of each tap, that of the oldest token first [width × channels].
        let kernel: [Float]
        package let postNorm: WeightVector?
        package let plan: LayerPlan.DeltaRule
    }

    /// Nil in a layer with another mixer.
    package let attention: Attention?
    /// Likewise.
    package let convolution: Convolution?
    /// Likewise.
    package let deltaRule: DeltaRule?
    package let feedForward: FeedForward
    /// Factor on the updates that attention and feed-forward add to the residual stream.
    let residualScale: Float
    /// The weights that the block reads first.
    let first: PrefetchHint
    private let mixerByteCount: Int
    /// The weights to prefetch during the block's products.
    let prefetch: PrefetchOrder

    /// Looks up the weights of a layer.
    ///
    /// - Parameter next: the weights that the next block reads first.
    /// - Throws: `FormatError` where a required tensor is missing.
    init(
        _ layer: Int, of tensors: TensorViews, _ configuration: ModelConfiguration, _ rotaries: [Rotary],
        next: PrefetchHint?
    ) throws(FormatError) {
        let plan = configuration.layers[layer]
        let output: WeightMatrix
        switch plan.mixer {
        case .attention(let plan):
            let own = try Attention(layer, plan, of: tensors, configuration, rotaries)
            (attention, convolution, deltaRule) = (own, nil, nil)
            (first, output) = (PrefetchHint(own.query, own.key, own.value), own.output)
            mixerByteCount = [own.query, own.key, own.value, own.output].reduce(own.gate?.byteCount ?? 0) {
                $0 + $1.byteCount
            }
        case .convolution(let plan):
            let own = try Convolution(layer, plan, of: tensors, configuration)
            (attention, convolution, deltaRule) = (nil, own, nil)
            (first, output) = (PrefetchHint(own.input), own.output)
            mixerByteCount = own.input.byteCount + own.output.byteCount
        case .deltaRule(let plan):
            let own = try DeltaRule(layer, plan, of: tensors)
            (attention, convolution, deltaRule) = (nil, nil, own)
            (first, output) = (PrefetchHint(own.input, own.gate), own.output)
            mixerByteCount = [own.input, own.gate, own.beta, own.decay, own.output].reduce(0) {
                $0 + $1.byteCount
            }
        }
        feedForward = FeedForward(
            norm: tensors.optionalVector(.feedForwardNorm, layer), gate: try tensors.matrix(.gate, layer),
            up: try tensors.matrix(.up, layer), down: try tensors.matrix(.down, layer),
            router: plan.feedForward.experts == nil ? nil : try tensors.matrix(.router, layer),
            postNorm: tensors.optionalVector(.postFeedForwardNorm, layer), plan: plan.feedForward)
        residualScale = plan.residualScale
        prefetch = PrefetchOrder(
            mixerOutput: PrefetchHint(output),
            gate: PrefetchHint(feedForward.router ?? feedForward.gate),
            down: PrefetchHint(feedForward.down), next: next)
    }

    /// Bytes of the weights that one token reads: of a mixture those of the experts used.
    var bytesPerToken: Int {
        let wide = [feedForward.gate, feedForward.up, feedForward.down].reduce(0) { $0 + $1.byteCount }
        let experts = feedForward.plan.experts
        return mixerByteCount + (feedForward.router?.byteCount ?? 0)
            + wide * (experts?.usedCount ?? 1) / (experts?.count ?? 1)
    }
}

extension BlockWeights.Attention {
    fileprivate init(
        _ layer: Int, _ plan: LayerPlan.Attention, of tensors: TensorViews,
        _ configuration: ModelConfiguration, _ rotaries: [Rotary]
    ) throws(FormatError) {
        self.plan = plan
        rotary = plan.rotary.map { rotaries[$0] }
        norm = tensors.optionalVector(.attentionNorm, layer)
        query = try tensors.matrix(.query, layer)
        key = try tensors.matrix(.key, layer)
        value = try tensors.matrix(.value, layer)
        output = try tensors.matrix(.attentionOutput, layer)
        gate = plan.hasOutputGate ? try tensors.matrix(.attentionGate, layer) : nil
        queryBias = tensors.optionalVector(.queryBias, layer)
        keyBias = tensors.optionalVector(.keyBias, layer)
        valueBias = tensors.optionalVector(.valueBias, layer)
        outputBias = tensors.optionalVector(.attentionOutputBias, layer)
        queryNorm = tensors.optionalVector(.queryNorm, layer)
        keyNorm = tensors.optionalVector(.keyNorm, layer)
        postNorm = tensors.optionalVector(.postAttentionNorm, layer)
        headFactors = tensors.file.headScaling?.outputFactors(layer: layer, configuration)
        // A norm after the bias would act on the sum of key and bias, so the bias cannot be separated; without a norm before, the
        // size of the keys is unknown.
        separateKeyBias =
            if let keyBias, keyNorm == nil, let norm, let table = rotary?.onlyTable {
                KeyBias(
                    keyBias, keys: key, gains: norm, rotary: table, headSize: configuration.headSize)
            } else { nil }
    }
}

extension BlockWeights.Convolution {
    fileprivate init(
        _ layer: Int, _ plan: LayerPlan.ShortConvolution, of tensors: TensorViews,
        _ configuration: ModelConfiguration
    ) throws(FormatError) {
        self.plan = plan
        norm = tensors.optionalVector(.attentionNorm, layer)
        input = try tensors.matrix(.convolutionInput, layer)
        output = try tensors.matrix(.convolutionOutput, layer)
        postNorm = tensors.optionalVector(.postAttentionNorm, layer)
        kernel = try tensors.vector(.convolution, layer).byTap(
            width: plan.width, channels: configuration.hiddenSize)
    }
}

extension BlockWeights.DeltaRule {
    fileprivate init(
        _ layer: Int, _ plan: LayerPlan.DeltaRule, of tensors: TensorViews
    ) throws(FormatError) {
        self.plan = plan
        norm = tensors.optionalVector(.attentionNorm, layer)
        input = try tensors.matrix(.deltaInput, layer)
        gate = try tensors.matrix(.deltaGate, layer)
        beta = try tensors.matrix(.deltaBeta, layer)
        decay = try tensors.matrix(.deltaDecay, layer)
        decayBias = try tensors.vector(.deltaDecayBias, layer)
        decayRate = try tensors.vector(.deltaDecayRate, layer)
        outputNorm = try tensors.vector(.deltaNorm, layer)
        output = try tensors.matrix(.deltaOutput, layer)
        postNorm = tensors.optionalVector(.postAttentionNorm, layer)
        kernel = try tensors.vector(.convolution, layer).byTap(
            width: plan.convolutionWidth, channels: plan.channelCount)
    }
}

extension WeightVector {
    /// A convolution's weights [channels × width], transposed: tap by tap [width × channels].
    fileprivate func byTap(width: Int, channels: Int) -> [Float] {
        (0..<width * channels).map { baseAddress[$0 % channels * width + $0 / channels] }
    }
}

/// The weights that follow each product of a block: idle threads prefetch them.
struct PrefetchOrder: Sendable {
    /// After a mixer's first matrices, and after attention's scores.
    let mixerOutput: PrefetchHint
    /// The router in a mixture of experts.
    let gate: PrefetchHint
    let down: PrefetchHint
    /// The first weights of the next block; nil in the last one.
    let next: PrefetchHint?
}

extension LayerPlan.FeedForward.Activation {
    /// The kernels' case for this activation.
    var kernel: GateActivation {
        switch self {
        case .silu: .silu
        case .geluTanh: .geluTanh
        }
    }
}
