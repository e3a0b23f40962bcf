// SPDX-License-Identifier: Apache-2.0
// A layer is data: its computation in the forward pass follows from its plan alone, never from a model's name.

/// One block of a decoder: a mixer of tokens and a feed-forward around the residual stream.
///
///     hidden += residualScale · after(mixer(before(hidden)))
///     hidden += residualScale · after(feedForward(before(hidden)))
///
/// `before` and `after` are RMSNorms, or the identity where `norms` has none.
package struct LayerPlan: Sendable, Equatable {
    /// Where the RMSNorms around mixer and feed-forward stand.
    package enum Norms: Sendable, Equatable {
        /// On what they read (pre-norm).
        case before
        /// On what they add to the residual stream (post-norm).
        case after
        /// On both (sandwich norm).
        case both
    }

    /// The elements that an RMSNorm of queries and keys takes together.
    package enum QueryKeyNorm: Sendable, Equatable {
        case perHead
        /// All heads.
        case whole
    }

    /// Queries grow with the position: times 1 + factor · ln(1 + ⌊position / length⌋).
    package struct QueryTemperature: Sendable, Equatable {
        package var factor: Float
        /// In tokens.
        package var length: Int

        package init(factor: Float, length: Int) {
            self.factor = factor
            self.length = length
        }
    }

    package struct Attention: Sendable, Equatable {
        /// Factor on query · key: usually 1/√headSize.
        package var scale: Float
        /// Tokens that a position sees, including itself (sliding window); nil sees all.
        package var window: Int?
        /// The configuration's rotary that rotates queries and keys; nil for none (NoPE, arXiv 2305.19466).
        package var rotary: Int?
        /// RMSNorm of queries and keys; nil for none.
        package var queryKeyNorm: QueryKeyNorm?
        /// Whether that norm acts after rotation, not before.
        package var normFollowsRotary: Bool
        /// Factor on rotated queries; nil for none.
        package var temperature: QueryTemperature?
        /// The soft cap of the scaled scores: scores ← cap · tanh(scores / cap); nil for none.
        package var softcap: Float?
        /// Biases of query, key and value.
        package var hasBias: Bool
        /// A bias after the output matrix.
        package var hasOutputBias: Bool
        /// Whether the heads' outputs are multiplied by sigmoid(W · x) before the output matrix.
        package var hasOutputGate = false

        package init(
            scale: Float, window: Int? = nil, rotary: Int? = 0, queryKeyNorm: QueryKeyNorm? = nil,
            normFollowsRotary: Bool = false, temperature: QueryTemperature? = nil, softcap: Float? = nil,
            hasBias: Bool = false, hasOutputBias: Bool = false
        ) {
            self.scale = scale
            self.window = window
            self.rotary = rotary
            self.queryKeyNorm = queryKeyNorm
            self.normFollowsRotary = normFollowsRotary
            self.temperature = temperature
            self.softcap = softcap
            self.hasBias = hasBias
            self.hasOutputBias = hasOutputBias
        }
    }

    /// A gated short convolution (LFM2): W_out · (C ⊙ conv(B ⊙ x)) with (B, C, x) = W_in · input; each channel is convolved with
    /// its own `width` weights, the last of which belongs to the present token.
    package struct ShortConvolution: Sendable, Equatable {
        /// Tokens that a position sees, including itself.
        package var width: Int

        package init(width: Int) { self.width = width }
    }

    /// Linear attention by the gated delta rule (arXiv 2412.06464). Queries, keys and values pass through a convolution over
    /// `convolutionWidth` tokens and SiLU; each head keeps a state S [keyHeadSize × valueHeadSize]:
    ///
    ///     S = decay · S;  S += k ⊗ (beta · (v − S · k));  output = S · q
    package struct DeltaRule: Sendable, Equatable {
        package var keyHeadCount: Int
        /// A multiple of the key heads.
        package var valueHeadCount: Int
        package var keyHeadSize: Int
        package var valueHeadSize: Int
        package var convolutionWidth: Int
        /// Whether value head i has the key head i modulo their number; otherwise consecutive value heads share one.
        package var cyclesKeyHeads: Bool

        package init(
            keyHeadCount: Int, valueHeadCount: Int, keyHeadSize: Int, valueHeadSize: Int,
            convolutionWidth: Int, cyclesKeyHeads: Bool
        ) {
            self.keyHeadCount = keyHeadCount
            self.valueHeadCount = valueHeadCount
            self.keyHeadSize = keyHeadSize
            self.valueHeadSize = valueHeadSize
            self.convolutionWidth = convolutionWidth
            self.cyclesKeyHeads = cyclesKeyHeads
        }

        /// Elements of all keys, as of all queries.
        package var keySize: Int { keyHeadCount * keyHeadSize }
        package var valueSize: Int { valueHeadCount * valueHeadSize }
        /// Channels of the convolution: queries, keys and values.
        package var channelCount: Int { 2 * keySize + valueSize }
    }

    /// What brings the tokens before into a token's state.
    package enum Mixer: Sendable, Equatable {
        case attention(Attention)
        case convolution(ShortConvolution)
        case deltaRule(DeltaRule)
    }

    /// W_down · (activation(W_gate · x) ⊙ W_up · x)
    package struct FeedForward: Sendable, Equatable {
        package enum Activation: String, Sendable, CaseIterable {
            /// x · sigmoid(x)
            case silu
            /// The tanh approximation of GELU.
            case geluTanh
        }

        /// A sparse mixture of experts (arXiv 1701.06538): a router chooses some of many feed-forwards for each token, whose
        /// outputs are added by the router's weights.
        package struct Experts: Sendable, Equatable {
            /// How many there are.
            package var count: Int
            /// How many compute a token: those with the largest weights, which are softmax(W_router · x).
            package var usedCount: Int
            /// The width of each.
            package var intermediateSize: Int
            /// Whether the weights of the experts used are divided by their sum.
            package var normalizesWeights: Bool

            package init(count: Int, usedCount: Int, intermediateSize: Int, normalizesWeights: Bool) {
                self.count = count
                self.usedCount = usedCount
                self.intermediateSize = intermediateSize
                self.normalizesWeights = normalizesWeights
            }
        }

        package var activation: Activation
        /// Nil for one feed-forward that computes every token (dense).
        package var experts: Experts?

        package init(activation: Activation = .silu, experts: Experts? = nil) {
            self.activation = activation
            self.experts = experts
        }
    }

    package var mixer: Mixer
    package var feedForward: FeedForward
    package var norms: Norms
    /// The factor of the terms that mixer and feed-forward add to the residual stream.
    package var residualScale: Float

    package init(
        attention: Attention, feedForward: FeedForward = FeedForward(), norms: Norms = .before,
        residualScale: Float = 1
    ) {
        self.init(
            mixer: .attention(attention), feedForward: feedForward, norms: norms,
            residualScale: residualScale)
    }

    package init(
        mixer: Mixer, feedForward: FeedForward = FeedForward(), norms: Norms = .before,
        residualScale: Float = 1
    ) {
        self.mixer = mixer
        self.feedForward = feedForward
        self.norms = norms
        self.residualScale = residualScale
    }

    /// Nil in a layer with another mixer; setting nil changes nothing.
    package var attention: Attention? {
        get {
            guard case .attention(let attention) = mixer else { return nil }
            return attention
        }
        set { if let newValue { mixer = .attention(newValue) } }
    }

    /// Nil in a layer with another mixer.
    package var deltaRule: DeltaRule? {
        guard case .deltaRule(let rule) = mixer else { return nil }
        return rule
    }

    /// Nil in a layer with another mixer.
    package var convolution: ShortConvolution? {
        guard case .convolution(let convolution) = mixer else { return nil }
        return convolution
    }
}

/// Rotary position embedding (RoPE, arXiv 2104.09864) of some layers.
package struct RotaryPlan: Sendable, Equatable {
    /// The change of the frequencies θ⁻²ⁱᐟᵈ for contexts longer than those of training.
    package enum Scaling: Sendable, Equatable {
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
        /// LongRoPE (arXiv 2402.13753): frequency i divided by element i of the tensor `ropeFactors` in contexts of up to
        /// `originalContextLength` tokens, of `ropeLongFactors` in longer ones; cosines and sines times `attentionFactor`.
        case longRoPE(originalContextLength: Int, attentionFactor: Float)
    }

    package var theta: Float
    package var scaling: Scaling
    /// Elements of a head that are rotated, from the first one; the rest is unchanged (partial rotary).
    package var rotatedSize: Int

    package init(theta: Float, scaling: Scaling = .none, rotatedSize: Int) {
        self.theta = theta
        self.scaling = scaling
        self.rotatedSize = rotatedSize
    }
}
