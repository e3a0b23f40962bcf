// SPDX-License-Identifier: Apache-2.0
// The purpose of a tensor, as a number instead of a name: a reader need not parse names, and a model
// whose tensors do not fit its configuration is refused before it runs.

/// The role of a tensor; raw values are those of formats/tiller.md §3.6.
package enum TensorRole: UInt16, Sendable, CaseIterable {
    /// [vocabularySize × hiddenSize]
    case tokenEmbedding = 0
    /// [1 × hiddenSize]
    case outputNorm = 1
    /// [vocabularySize × hiddenSize]; absent when tied to the token embedding.
    case output = 2
    /// [1 × rotatedSize / 2]
    case ropeFactors = 3
    /// [1 × rotatedSize / 2], for long contexts.
    case ropeLongFactors = 4

    /// [1 × hiddenSize]; absent where the layer has norms after attention and feed-forward only.
    case attentionNorm = 16
    /// [headCount · headSize × hiddenSize]
    case query = 17
    /// [keyValueHeadCount · headSize × hiddenSize]
    case key = 18
    case value = 19
    /// [1 × rows of the matrix]
    case queryBias = 20
    case keyBias = 21
    case valueBias = 22
    /// [hiddenSize × headCount · headSize]
    case attentionOutput = 23
    /// [1 × hiddenSize]
    case attentionOutputBias = 24
    /// [1 × headSize], or one gain for each row of the matrix
    case queryNorm = 25
    case keyNorm = 26
    /// [1 × hiddenSize]
    case postAttentionNorm = 27

    /// [headCount · headSize × hiddenSize], the gate of the heads' outputs.
    case attentionGate = 28

    /// [3 · hiddenSize × hiddenSize]: B, C and x of a short convolution.
    case convolutionInput = 40
    /// [1 × channels · width]: the weights of each channel, the oldest token's first.
    case convolution = 41
    /// [hiddenSize × hiddenSize]
    case convolutionOutput = 42

    /// [channels × hiddenSize]: queries, keys and values of a delta rule.
    case deltaInput = 48
    /// [valueHeadCount · valueHeadSize × hiddenSize], the gate of its output.
    case deltaGate = 49
    /// [valueHeadCount × hiddenSize]
    case deltaBeta = 50
    case deltaDecay = 51
    /// [1 × valueHeadCount], added to the decay's input.
    case deltaDecayBias = 52
    /// [1 × valueHeadCount], negative: decay = exp(rate · softplus(input)).
    case deltaDecayRate = 53
    /// [1 × valueHeadSize], the gain of the RMSNorm of each head's output.
    case deltaNorm = 54
    /// [hiddenSize × valueHeadCount · valueHeadSize]
    case deltaOutput = 55

    /// [1 × hiddenSize]
    case feedForwardNorm = 32
    /// [intermediateSize × hiddenSize]; in a mixture the matrices of all experts, one below the other.
    case gate = 33
    case up = 34
    /// [hiddenSize × intermediateSize]; in a mixture likewise.
    case down = 35
    /// [1 × hiddenSize]
    case postFeedForwardNorm = 36
    /// [experts × hiddenSize]; absent without a mixture of experts.
    case router = 37

    /// Whether the tensor has one row per token, stored in one piece or in segments of rows.
    package var isVocabulary: Bool { self == .tokenEmbedding || self == .output }

    /// Whether each layer has its own tensor with this role.
    package var isPerLayer: Bool { rawValue >= 16 }

    /// Whether the tensor is stored as plain Float32 (`TensorEncoding.vector`); all others are matrices in tiles.
    package var isVector: Bool {
        switch self {
        case .tokenEmbedding, .output, .query, .key, .value, .attentionOutput, .gate, .up, .down, .router,
            .attentionGate, .convolutionInput, .convolutionOutput, .deltaInput, .deltaGate, .deltaBeta,
            .deltaDecay, .deltaOutput:
            false
        default: true
        }
    }

    /// Whether a few numbers of the matrix decide much, so that it is stored in at least 16 bits.
    package var staysWide: Bool { [.router, .deltaBeta, .deltaDecay].contains(self) }

    /// Whether the tensor is the gain of an RMSNorm of the residual stream, of queries or of keys.
    package var isNorm: Bool {
        switch self {
        case .outputNorm, .attentionNorm, .queryNorm, .keyNorm, .postAttentionNorm, .feedForwardNorm,
            .postFeedForwardNorm:
            true
        default: false
        }
    }

    /// Rows and columns in a model of this configuration; nil if the model, or this layer, has no such tensor.
    ///
    /// - Parameter layer: nil for tensors of the whole model.
    package func shape(in model: ModelConfiguration, layer: Int?) -> (rows: Int, columns: Int)? {
        func vector(_ size: Int, if exists: Bool = true) -> (rows: Int, columns: Int)? {
            exists ? (1, size) : nil
        }
        let hidden = model.hiddenSize
        guard isPerLayer else {
            guard layer == nil else { return nil }
            let rotary = model.rotaries.first
            return switch (self, rotary?.scaling) {
            case (.tokenEmbedding, _): (model.vocabularySize, hidden)
            case (.outputNorm, _): vector(hidden)
            case (.output, _): model.hasTiedEmbeddings ? nil : (model.vocabularySize, hidden)
            case (.ropeFactors, .perFrequencyFactors), (.ropeFactors, .longRoPE),
                (.ropeLongFactors, .longRoPE):
                vector((rotary?.rotatedSize ?? 0) / 2)
            default: nil
            }
        }
        guard let layer, model.layers.indices.contains(layer) else { return nil }
        let plan = model.layers[layer]
        let experts = plan.feedForward.experts?.count ?? 1
        let hasAttention = plan.attention != nil
        return switch self {
        case .query: hasAttention ? (model.querySize, hidden) : nil
        case .key, .value: hasAttention ? (model.keyValueSize, hidden) : nil
        case .attentionGate: plan.attention?.hasOutputGate == true ? (model.querySize, hidden) : nil
        case .convolutionInput: plan.convolution.map { _ in (3 * hidden, hidden) }
        case .convolution:
            plan.convolution.map { (1, hidden * $0.width) }
                ?? plan.deltaRule.map { (1, $0.channelCount * $0.convolutionWidth) }
        case .convolutionOutput: plan.convolution.map { _ in (hidden, hidden) }
        case .deltaInput: plan.deltaRule.map { ($0.channelCount, hidden) }
        case .deltaGate: plan.deltaRule.map { ($0.valueSize, hidden) }
        case .deltaBeta, .deltaDecay: plan.deltaRule.map { ($0.valueHeadCount, hidden) }
        case .deltaDecayBias, .deltaDecayRate: plan.deltaRule.map { (1, $0.valueHeadCount) }
        case .deltaNorm: plan.deltaRule.map { (1, $0.valueHeadSize) }
        case .deltaOutput: plan.deltaRule.map { (hidden, $0.valueSize) }
        case .queryBias: vector(model.querySize, if: plan.attention?.hasBias == true)
        case .keyBias, .valueBias: vector(model.keyValueSize, if: plan.attention?.hasBias == true)
        case .attentionOutput: hasAttention ? (hidden, model.querySize) : nil
        case .attentionOutputBias: vector(hidden, if: plan.attention?.hasOutputBias == true)
        case .queryNorm, .keyNorm:
            switch plan.attention?.queryKeyNorm {
            case nil: nil
            case .perHead: vector(model.headSize)
            case .whole: vector(self == .queryNorm ? model.querySize : model.keyValueSize)
            }
        case .attentionNorm, .feedForwardNorm: vector(hidden, if: plan.norms != .after)
        case .postAttentionNorm, .postFeedForwardNorm: vector(hidden, if: plan.norms != .before)
        case .gate, .up: (experts * model.intermediateSize(ofLayer: layer), hidden)
        case .down: (experts * hidden, model.intermediateSize(ofLayer: layer))
        case .router: plan.feedForward.experts.map { ($0.count, hidden) }
        default: vector(hidden)
        }
    }
}
