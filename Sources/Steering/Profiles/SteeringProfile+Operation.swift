// SPDX-License-Identifier: Apache-2.0
// What a profile does where, and when (formats/tiller.md §7.2).

extension SteeringProfile {
    /// Where in a layer an operation acts.
    package enum Site: String, Sendable, CaseIterable {
        /// The residual stream after the layer.
        case residual
        /// The attention's output before it is added to the residual stream.
        case attentionOutput
        /// The feed-forward network's output before it is added.
        case feedForwardOutput
        /// What the heads of the attention read, one after the other, before the output projection.
        case headOutputs
    }

    /// In which basis an operation at the heads' outputs was learned.
    package enum HeadBasis: String, Sendable, CaseIterable {
        /// That of one file, whose factors nobody knows any more: it means nothing in another one.
        case file
        /// The source's, which every conversion of it shares.
        case source
    }

    /// When a clamp acts.
    package enum ClampCondition: String, Sendable, CaseIterable { case whenBelow, whenAbove, always }

    /// A condition on which an operation waits: p = v·h / r of the residual stream after `layer`, before operations
    /// there, lies beyond the threshold; v has norm 1.
    package struct Gate: Sendable, Hashable {
        package enum Comparison: String, Sendable, CaseIterable { case above, below }

        package enum Scope: String, Sendable, CaseIterable {
            /// Each token by its own p.
            case token
            /// Generated tokens alone, by the mean p of the prompt before them: of the tokens handed in since the last
            /// generated one, without position 0 of the context, where all texts have the same large state. Without
            /// any the gate is shut.
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
        /// Index into `vectors`: the first of those that hold v.
        package var vector: Int
        package var coefficient: Float
        /// Rescale h to the norm it had before.
        package var keepsNorm: Bool
        /// Elements of h at the site `headOutputs`, headCount · headSize; nil elsewhere, where h has hiddenSize.
        package var width: Int?
        /// Of the vectors at the site `headOutputs`; without meaning elsewhere.
        package var basis = HeadBasis.file
        /// Positions of the context at which it acts: from the first one on, before the end if there is one.
        package var firstPosition = 0
        package var endPosition: Int?
        /// nil acts always.
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

    /// How many of `vectors` hold a vector of an operation: ⌈width / hiddenSize⌉.
    func rowCount(of operation: Operation) -> Int {
        operation.width.map { ($0 + hiddenSize - 1) / hiddenSize } ?? 1
    }

    /// A vector of an operation, [its width].
    ///
    /// - Parameter index: of the first of `vectors` that hold it: the operation's `vector`, or the second of a rotation.
    package func vector(_ index: Int, of operation: Operation) -> [Float] {
        guard let width = operation.width else { return vectors[index] }
        return Array(vectors[index..<index + rowCount(of: operation)].joined().prefix(width))
    }

    /// What `vectors` hold of a vector of any width: rows of hiddenSize, the last one filled up with zeros.
    package static func rows(of vector: [Float], hiddenSize: Int) -> [[Float]] {
        stride(from: 0, to: vector.count, by: hiddenSize).map { start in
            let row = vector[start..<min(start + hiddenSize, vector.count)]
            return row + Array(repeating: 0, count: hiddenSize - row.count)
        }
    }
}
