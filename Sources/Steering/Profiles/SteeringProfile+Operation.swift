// SPDX-License-Identifier: Apache-2.0
// What a profile does, where and when (formats/tiller.md §7.2).

extension SteeringProfile {
    /// Where in a layer an operation acts.
    package enum Site: String, Sendable, CaseIterable {
        /// The residual stream after the layer.
        case residual
        /// The attention's output before it is added to the residual stream.
        case attentionOutput
        /// The feed-forward network's output before it is added.
        case feedForwardOutput
        /// The outputs of the attention heads, concatenated, before the output projection.
        case headOutputs
    }

    /// The basis in which an operation at the heads' outputs was learned.
    package enum HeadBasis: String, Sendable, CaseIterable {
        /// The basis of one file, whose scaling factors are not recorded; it has no meaning in another file.
        case file
        /// The source's basis, which all its conversions share.
        case source
    }

    /// When a clamp acts.
    package enum ClampCondition: String, Sendable, CaseIterable { case whenBelow, whenAbove, always }

    /// A condition for an operation: p = v·h / r is beyond the threshold, where v has norm 1 and h is the residual stream
    /// after `layer`, before that layer's operations.
    package struct Gate: Sendable, Hashable {
        package enum Comparison: String, Sendable, CaseIterable { case above, below }

        package enum Scope: String, Sendable, CaseIterable {
            /// Decides for each token from its own p.
            case token
            /// Decides for generated tokens only, from the mean p of the prompt tokens since the last generated one.
            /// Position 0 of the context does not count: its state is large and the same for every text. Without prompt
            /// tokens the gate is closed.
            case prompt
        }

        package var layer: Int
        /// Index into `vectors`.
        package var vector: Int
        package var comparison: Comparison
        package var threshold: Float
        package var scope: Scope

        package init(
            layer: Int, vector: Int, _ comparison: Comparison, _ threshold: Float, scope: Scope = .token
        ) {
            self.layer = layer
            self.vector = vector
            self.comparison = comparison
            self.threshold = threshold
            self.scope = scope
        }
    }

    /// One operation at one layer; operations act in the order of the list.
    package struct Operation: Sendable, Equatable {
        package var kind: Kind
        package var site: Site
        package var layer: Int
        /// Index into `vectors` of the first row of v.
        package var vector: Int
        package var coefficient: Float
        /// Rescale h to the norm it had before.
        package var keepsNorm: Bool
        /// Elements of h at the site `headOutputs`, headCount · headSize; nil at other sites, where h has hiddenSize.
        package var width: Int?
        /// Basis of the vectors at the site `headOutputs`; has no meaning at other sites.
        package var basis = HeadBasis.file
        /// Positions of the context at which it acts: from the first one, up to but excluding the end if there is one.
        package var firstPosition = 0
        package var endPosition: Int?
        /// The condition; nil acts always.
        package var gate: Gate?

        package init(
            _ kind: Kind, site: Site = .residual, layer: Int, vector: Int, coefficient: Float = 1,
            keepsNorm: Bool = false, width: Int? = nil, gate: Gate? = nil
        ) {
            self.kind = kind
            self.site = site
            self.layer = layer
            self.vector = vector
            self.coefficient = coefficient
            self.keepsNorm = keepsNorm
            self.width = width
            self.gate = gate
        }
    }

    /// The number of `vectors` that one vector of an operation takes: ⌈width / hiddenSize⌉.
    func rowCount(of operation: Operation) -> Int {
        operation.width.map { ($0 + hiddenSize - 1) / hiddenSize } ?? 1
    }

    /// A vector of an operation, [its width].
    ///
    /// - Parameter index: first row in `vectors`: the operation's `vector`, or the `second` of a rotation.
    package func vector(_ index: Int, of operation: Operation) -> [Float] {
        guard let width = operation.width else { return vectors[index] }
        return Array(vectors[index..<index + rowCount(of: operation)].joined().prefix(width))
    }

    /// Splits a vector of any width into rows of hiddenSize for `vectors`; zeros pad the last row.
    package static func rows(of vector: [Float], hiddenSize: Int) -> [[Float]] {
        stride(from: 0, to: vector.count, by: hiddenSize).map { start in
            let row = vector[start..<min(start + hiddenSize, vector.count)]
            return row + Array(repeating: 0, count: hiddenSize - row.count)
        }
    }
}
