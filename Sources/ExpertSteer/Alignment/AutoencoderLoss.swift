// SPDX-License-Identifier: Apache-2.0
// The auto-encoder loss with its gradient. It uses only second moments of the states, so an evaluation costs six matrix
// products of the widths' size, independently of the number of texts.

import Directions
import LinearAlgebra

/// J(W, U) = (‖X − X W U‖² + λ ‖X W − T‖²) / n, with C = XᵀX / n, D = XᵀT / n:
/// tr C − 2 tr C W U + tr Uᵀ Wᵀ C W U + λ (tr Wᵀ C W − 2 tr Wᵀ D + tr TᵀT / n).
package struct AutoencoderLoss: Sendable {
    /// C [e × e], D [e × t].
    private let moments, crossMoments: Matrix
    /// λ.
    private let anchor: Double
    private let constant: Double
    /// ε / tr WᵀCW.
    static let regularisation = 1e-12
    /// e and t: W is [e × t], U [t × e].
    package let expertWidth, codeWidth: Int

    package var parameterCount: Int { 2 * expertWidth * codeWidth }

    /// - Parameters:
    ///   - x: centred states of the expert [n × e].
    ///   - target: centred states of the target [n × t]; nil for λ = 0.
    ///   - penalty: ρ as an absolute value: XᵀX + ρ replaces XᵀX.
    package init(x: Matrix, target: Matrix?, codeWidth: Int, anchor: Double, penalty: Double) {
        precondition(
            target.map { $0.columns == codeWidth } ?? (anchor == 0), "AutoencoderLoss: no such target")
        let share = 1 / Double(x.rows)
        let squares = gram(x).addingToDiagonal(penalty)
        moments = Matrix(rows: x.columns, columns: x.columns, values: squares.values.map { $0 * share })
        let cross = target.map { product(x, $0, transposing: .first).values.map { $0 * share } }
        crossMoments =
            cross.map { Matrix(rows: x.columns, columns: codeWidth, values: $0) }
            ?? Matrix(rows: x.columns, columns: codeWidth)
        self.anchor = anchor
        expertWidth = x.columns
        self.codeWidth = codeWidth
        let trace = (0..<x.columns).reduce(0) { $0 + squares[$1, $1] * share }
        constant = trace + anchor * (target.map(squaredNorm) ?? 0) * share
    }

    /// Splits concatenated parameters into W and U.
    package func split(_ parameters: [Double]) -> (encoder: Matrix, decoder: Matrix) {
        let half = expertWidth * codeWidth
        return (
            Matrix(rows: expertWidth, columns: codeWidth, values: Array(parameters[..<half])),
            Matrix(rows: codeWidth, columns: expertWidth, values: Array(parameters[half...]))
        )
    }

    /// The optimal decoder for W, (WᵀCW + ε)⁻¹ Wᵀ C, with the reduced loss min_U J(W, U) + ε ‖U‖² and its gradient with
    /// respect to W: the gradient of J at this decoder, where J is stationary in U, plus that of ε.
    ///
    /// Eliminating the decoder makes descent fast: it can rescale the code or change its signs without adapting a
    /// decoder. ε = 10⁻¹² tr WᵀCW is far below any relevant size and only keeps wide codes from being singular. It scales
    /// with W, so the loss does not depend on the code's unit.
    package func reduced(_ encoder: [Double]) -> (value: Double, gradient: [Double], decoder: Matrix) {
        let w = Matrix(rows: expertWidth, columns: codeWidth, values: encoder)
        let loads = product(w, moments, transposing: .first)
        let squares = product(loads, w)
        let trace = (0..<codeWidth).reduce(0) { $0 + squares[$1, $1] }
        let epsilon = Self.regularisation * trace
        guard let factor = try? CholeskyFactor(of: squares.addingToDiagonal(epsilon)) else {
            return (.infinity, encoder.map { _ in 0 }, Matrix(rows: codeWidth, columns: expertWidth))
        }
        let decoder = factor.solve(loads)
        var (value, gradient) = self(encoder + decoder.values)
        let size = Self.regularisation * dotProduct(decoder.values, decoder.values)
        value += size * trace
        gradient.removeLast(decoder.values.count)
        // ∂ tr WᵀCW = 2 C W.
        for (index, load) in loads.transposed.values.enumerated() { gradient[index] += 2 * size * load }
        return (value, gradient, decoder)
    }

    /// J and its gradient: ∂W = 2 (C W U − C) Uᵀ + 2 λ (C W − D), ∂U = 2 Wᵀ (C W U − C).
    package func callAsFunction(_ parameters: [Double]) -> (value: Double, gradient: [Double]) {
        let (w, u) = split(parameters)
        let cw = product(moments, w)
        let wcw = product(w, cw, transposing: .first), uu = gram(u, ofRows: true)
        // tr C W U = Σ (C W) ∘ Uᵀ.
        let crossed = dotProduct(cw.values, u.transposed.values)
        var value = constant - 2 * crossed + dotProduct(wcw.values, uu.values)
        value += anchor * (dotProduct(w.values, cw.values) - 2 * dotProduct(w.values, crossMoments.values))

        var gradient = product(cw, uu).values
        let cu = product(moments, u, transposing: .second)
        for index in gradient.indices {
            let pull = anchor * (cw.values[index] - crossMoments.values[index])
            gradient[index] = 2 * (gradient[index] - cu.values[index] + pull)
        }
        let shortfall = zip(product(wcw, u).values, cw.transposed.values).map { 2 * ($0 - $1) }
        return (value, gradient + shortfall)
    }
}

extension AlignmentProblem {
    /// W of the loss, by L-BFGS from a random start; at zero the gradient is zero.
    func autoencoderByGradient(_ states: AlignedStates, anchor: Double, iterations: Int) throws(StatesError)
        -> Matrix
    {
        let x = states.expert
        let penalty = ridge * squaredNorm(x) / Double(x.columns)
        var random = RandomStream(seed: options.seed)
        let scale = 0.5 / Double(x.columns + width).squareRoot()
        let start = (0..<x.columns * width).map { _ in scale * random.nextNormal() }
        if anchor > 0, let target = states.target {
            let loss = SpanLoss(x: x, target: target, anchor: anchor, penalty: penalty)
            let end = minimize(from: start, iterations: iterations) { columns in
                let (value, gradient, _) = loss(columns)
                return (value, gradient)
            }
            return loss.encoder(end.parameters)
        }
        let loss = AutoencoderLoss(x: x, target: nil, codeWidth: width, anchor: 0, penalty: penalty)
        let end = minimize(from: start, iterations: iterations) { encoder in
            let (value, gradient, _) = loss.reduced(encoder)
            return (value, gradient)
        }
        return Matrix(rows: x.columns, columns: width, values: end.parameters)
    }
}
