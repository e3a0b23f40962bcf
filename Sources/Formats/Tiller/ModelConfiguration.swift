// SPDX-License-Identifier: Apache-2.0
// The shape of a model: everything the forward pass must know beyond the weights. The values are
// the source's own; nothing is derived at load but by the rules written here.

/// Sizes and constants of a decoder-only transformer; limits are those of formats/tiller.md §5.
package struct ModelConfiguration: Sendable, Equatable {
    /// What the model came from, for people; nothing is computed by it.
    package var family: String
    package var vocabularySize: Int
    package var hiddenSize: Int
    package var intermediateSize: Int
    package var headCount: Int
    package var keyValueHeadCount: Int
    package var headSize: Int
    /// Tokens, as trained.
    package var contextLength: Int
    package var rmsNormEpsilon: Float
    /// Factor on token embeddings.
    package var embeddingScale: Float
    /// Factor on logits.
    package var logitScale: Float
    /// The output matrix is the token embedding.
    package var hasTiedEmbeddings: Bool
    /// logits ← cap · tanh(logits / cap); nil for none.
    package var finalLogitSoftcap: Float?
    /// What layers choose from; the first has the tensor of frequency factors where there is one.
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

    /// The most tokens that any layer sees; nil where one sees all.
    package var largestWindow: Int? {
        var largest = 0
        for layer in layers {
            guard let window = layer.attention.window else { return nil }
            largest = max(largest, window)
        }
        return largest
    }

    /// Changes every layer's plan alike.
    package mutating func forEachLayer(_ change: (inout LayerPlan) throws -> Void) rethrows {
        for layer in layers.indices { try change(&layers[layer]) }
    }
}
