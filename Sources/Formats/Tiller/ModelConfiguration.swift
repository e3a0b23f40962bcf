// SPDX-License-Identifier: Apache-2.0
// The shape of a model: everything that the forward pass needs besides the weights. The values are
// the source's own; loading derives values only by the rules in this file.

/// Sizes and constants of a decoder-only transformer; limits are those of formats/tiller.md §5.
package struct ModelConfiguration: Sendable, Equatable {
    /// The model family, for people; no computation uses it.
    package var family: String
    package var vocabularySize: Int
    package var hiddenSize: Int
    /// The width of feed-forwards that are no mixture of experts.
    package var intermediateSize: Int
    package var headCount: Int
    package var keyValueHeadCount: Int
    package var headSize: Int
    /// The context length of training, in tokens.
    package var contextLength: Int
    package var rmsNormEpsilon: Float
    /// Factor on token embeddings.
    package var embeddingScale: Float
    /// Factor on logits.
    package var logitScale: Float
    /// Whether the output matrix is the token embedding.
    package var hasTiedEmbeddings: Bool
    /// The soft cap of the logits: logits ← cap · tanh(logits / cap); nil for none.
    package var finalLogitSoftcap: Float?
    /// The rotaries that layers choose from; the first has the tensor of frequency factors, if there is one.
    package var rotaries: [RotaryPlan]
    package var layers: [LayerPlan]

    package init(
        family: String, vocabularySize: Int, hiddenSize: Int, intermediateSize: Int, headCount: Int,
        keyValueHeadCount: Int, headSize: Int, contextLength: Int, rmsNormEpsilon: Float,
        embeddingScale: Float = 1, logitScale: Float = 1, hasTiedEmbeddings: Bool = false,
        finalLogitSoftcap: Float? = nil, rotaries: [RotaryPlan], layers: [LayerPlan]
    ) {
        self.family = family
        self.vocabularySize = vocabularySize
        self.hiddenSize = hiddenSize
        self.intermediateSize = intermediateSize
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
        self.contextLength = contextLength
        self.rmsNormEpsilon = rmsNormEpsilon
        self.embeddingScale = embeddingScale
        self.logitScale = logitScale
        self.hasTiedEmbeddings = hasTiedEmbeddings
        self.finalLogitSoftcap = finalLogitSoftcap
        self.rotaries = rotaries
        self.layers = layers
    }
}

extension ModelConfiguration {
    package var layerCount: Int { layers.count }
    /// Rows of the query matrix.
    package var querySize: Int { headCount * headSize }
    /// Rows of the key and value matrices.
    package var keyValueSize: Int { keyValueHeadCount * headSize }

    /// The width of a layer's feed-forward, or of each of its experts.
    package func intermediateSize(ofLayer layer: Int) -> Int {
        layers[layer].feedForward.experts?.intermediateSize ?? intermediateSize
    }

    /// The largest window of any layer; nil if a layer sees all tokens.
    package var largestWindow: Int? {
        var largest = 0
        for attention in layers.compactMap(\.attention) {
            guard let window = attention.window else { return nil }
            largest = max(largest, window)
        }
        return largest
    }

    /// Layers whose state holds no more than the last tokens, so that it cannot go back by itself.
    package var recurrentLayerCount: Int { layers.count { $0.attention == nil } }

    /// Applies the same change to every layer's plan.
    package mutating func forEachLayer(_ change: (inout LayerPlan) throws -> Void) rethrows {
        for layer in layers.indices { try change(&layers[layer]) }
    }
}
