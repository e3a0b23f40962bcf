// SPDX-License-Identifier: Apache-2.0
// The shape of a model: everything the forward pass must know beyond the weights. The values are
// the source's own; nothing is derived at load but by the rules written here.

/// Sizes and constants of a decoder-only transformer; limits are those of formats/tiller.md §5.
package struct ModelConfiguration: Sendable, Equatable {
    /// The families differ in their order of norms and biases; the flags below say what is there.
    package enum Family: String, Sendable, CaseIterable { case llama, qwen2, qwen3, gemma3 }

    /// The function of the feed-forward network's gate.
    package enum GateActivation: String, Sendable, CaseIterable {
        /// x · sigmoid(x)
        case silu
        /// The tanh approximation of GELU.
        case geluTanh
    }

    /// How rotation frequencies θ⁻²ⁱᐟᵈ are changed for contexts longer than those trained on.
    package enum RopeScaling: Sendable, Equatable {
        case none
        /// All frequencies divided by `factor`.
        case linear(factor: Float)
        /// Llama 3: low frequencies divided by `factor`, high ones kept, smooth between.
        case llama3(
            factor: Float, lowFrequencyFactor: Float, highFrequencyFactor: Float, originalContextLength: Int)
        /// YaRN (arXiv 2309.00071); without `attentionFactor` it is 0.1 · ln(factor) + 1.
        case yarn(
            factor: Float, originalContextLength: Int, betaFast: Float, betaSlow: Float,
            attentionFactor: Float?)
        /// Frequency i divided by element i of the tensor `ropeFactors`.
        case perFrequencyFactors
    }

    package var family: Family
    package var vocabularySize: Int
    package var hiddenSize: Int
    package var intermediateSize: Int
    package var layerCount: Int
    package var headCount: Int
    package var keyValueHeadCount: Int
    package var headSize: Int
    /// Tokens, as trained.
    package var contextLength: Int
    package var rmsNormEpsilon: Float
    package var ropeTheta: Float
    package var ropeScaling: RopeScaling
    /// θ of layers with a sliding window, never scaled; nil when they use `ropeTheta` and `ropeScaling`.
    package var localRopeTheta: Float?
    /// Tokens that a layer with a sliding window sees, itself included; nil when all see everything.
    package var slidingWindow: Int?
    /// Every n-th layer (n, 2n, … counted from 1) sees everything; nil when all have the window.
    package var slidingWindowPattern: Int?
    /// Factor on token embeddings: 1, or √hiddenSize for Gemma.
    package var embeddingScale: Float
    /// Factor on query · key: usually 1/√headSize.
    package var attentionScale: Float
    package var gateActivation: GateActivation
    /// The output matrix is the token embedding.
    package var hasTiedEmbeddings: Bool
    /// RMSNorm on each head's query and key before rotation.
    package var hasQueryKeyNorm: Bool
    /// Biases of query, key and value.
    package var hasAttentionBias: Bool
    /// A bias after the attention's output matrix.
    package var hasAttentionOutputBias: Bool
    /// A second norm after attention and feed-forward, before the residual sum.
    package var hasPostNorms: Bool
    /// logits ← cap · tanh(logits / cap); nil for none.
    package var finalLogitSoftcap: Float?

    /// A configuration with the values that most families share as defaults.
    ///
    /// Without `headSize` it is hiddenSize / headCount, without `attentionScale` that is 1/√headSize.
    package init(
        family: Family, vocabularySize: Int, hiddenSize: Int, intermediateSize: Int, layerCount: Int,
        headCount: Int, keyValueHeadCount: Int, headSize: Int? = nil, contextLength: Int,
        rmsNormEpsilon: Float = 1e-5, ropeTheta: Float = 10_000, ropeScaling: RopeScaling = .none,
        localRopeTheta: Float? = nil, slidingWindow: Int? = nil, slidingWindowPattern: Int? = nil,
        embeddingScale: Float = 1, attentionScale: Float? = nil, gateActivation: GateActivation = .silu,
        hasTiedEmbeddings: Bool = false, hasQueryKeyNorm: Bool = false, hasAttentionBias: Bool = false,
        hasAttentionOutputBias: Bool = false, hasPostNorms: Bool = false, finalLogitSoftcap: Float? = nil
    ) {
        self.family = family
        self.vocabularySize = vocabularySize
        self.hiddenSize = hiddenSize
        self.intermediateSize = intermediateSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        let headSize = headSize ?? hiddenSize / max(headCount, 1)
        self.headSize = headSize
        self.contextLength = contextLength
        self.rmsNormEpsilon = rmsNormEpsilon
        self.ropeTheta = ropeTheta
        self.ropeScaling = ropeScaling
        self.localRopeTheta = localRopeTheta
        self.slidingWindow = slidingWindow
        self.slidingWindowPattern = slidingWindowPattern
        self.embeddingScale = embeddingScale
        self.attentionScale = attentionScale ?? 1 / Float(max(headSize, 1)).squareRoot()
        self.gateActivation = gateActivation
        self.hasTiedEmbeddings = hasTiedEmbeddings
        self.hasQueryKeyNorm = hasQueryKeyNorm
        self.hasAttentionBias = hasAttentionBias
        self.hasAttentionOutputBias = hasAttentionOutputBias
        self.hasPostNorms = hasPostNorms
        self.finalLogitSoftcap = finalLogitSoftcap
    }
}

extension ModelConfiguration {
    /// Rows of the query matrix.
    package var querySize: Int { headCount * headSize }
    /// Rows of the key and value matrices.
    package var keyValueSize: Int { keyValueHeadCount * headSize }

    /// Whether a layer sees only the last `slidingWindow` tokens.
    package func hasSlidingWindow(layer: Int) -> Bool {
        guard slidingWindow != nil else { return false }
        guard let slidingWindowPattern else { return true }
        return (layer + 1) % slidingWindowPattern != 0
    }
}
