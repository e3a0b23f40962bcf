// SPDX-License-Identifier: Apache-2.0
// Closed forms against what defines them: optima, limits, known rotations, and descent along the gradient.

import Directions
import ExpertSteer
import LinearAlgebra
import Testing

struct AlignmentOptimumTests {
    /// Already centred and of one unit, so that the standardised states are these.
    private func standardised(_ states: Matrix) throws -> Matrix {
        try ColumnScaling(of: states, by: .common).apply(to: states)
    }

    private func planted(
        rows: Int = 120, expert: Int = 14, target: Int = 6, noise: Double = 0.5, seed: UInt64 = 1
    ) throws -> (expert: Matrix, target: Matrix) {
        let states = PlantedStates(
            rows: rows, expertWidth: expert, targetWidth: target, shared: 8, noise: noise, seed: seed)
        return (try standardised(states.expert), try standardised(states.target))
    }

    /// ‖X − X W U‖² with the best U.
    private func reconstructionLoss(_ x: Matrix, _ w: Matrix) throws -> Double {
        let code = product(x, w)
        let decoder = try CholeskyFactor(of: gram(code)).solve(product(code, x, transposing: .first))
        return squares(difference(x, product(code, decoder)))
    }

    private func options(_ change: (inout AlignmentOptions) -> Void) -> AlignmentOptions {
        var options = AlignmentOptions()
        options.standardisation = .common
        change(&options)
        return options
    }

    // MARK: - Auto-encoder

    @Test(arguments: [1, 6, 13])
    func theAutoencodersLossIsTheVarianceOfTheOtherComponents(width: Int) throws {
        let (x, _) = try planted()
        let encoder = try Alignment.fit(
            .autoencoder, expert: x, target: nil, width: width, options: options { _ in })
        let left = try SymmetricEigen(of: gram(x)).values.dropFirst(width).reduce(0, +)
        let loss = try reconstructionLoss(x, encoder.weights)
        #expect(abs(loss - left) < 1e-8 * squares(x))
        #expect(encoder.figures?.explained == nil && encoder.figures?.agreement == nil)
    }

    @Test(arguments: [(6, 6), (6, 9)])
    func aCodeThatIsWideEnoughLosesNothing(widths: (Int, Int)) throws {
        let (x, _) = try planted(expert: widths.0)
        let encoder = try Alignment.fit(
            .autoencoder, expert: x, target: nil, width: widths.1, options: options { _ in })
        #expect((encoder.figures?.reconstruction ?? 0) > 1 - 1e-6)
        // Lengths and angles are those of the states: principal axes, and zeros behind them.
        expectEqual(gram(encoder.encode(x), ofRows: true), gram(x, ofRows: true), within: 1e-9)
    }

    @Test(arguments: [0, 0.7])
    func theGradientIsThatOfFiniteDifferences(anchor: Double) throws {
        let (x, t) = try planted(rows: 40, expert: 5, target: 3)
        let loss = AutoencoderLoss(
            x: x, target: anchor > 0 ? t : nil, codeWidth: 3, anchor: anchor, penalty: 0.4)
        var random = RandomStream(seed: 2)
        let point = (0..<loss.parameterCount).map { _ in random.nextNormal() }
        expectGradient(at: point) { loss($0) }
        // Also with the decoder that belongs to each encoder, and for the span of the code alone.
        expectGradient(at: Array(point[..<15])) { encoder in
            let (value, gradient, _) = loss.reduced(encoder)
            return (value, gradient)
        }
        guard anchor > 0 else { return }
        let spanLoss = SpanLoss(x: x, target: t, anchor: anchor, penalty: 0.4)
        expectGradient(at: Array(point[..<15])) { columns in
            let (value, gradient, _) = spanLoss(columns)
            return (value, gradient)
        }
    }

    /// However V is mixed, the loss of its span is J of the code that is read from it, and no code with these columns has less.
    @Test func theLossOfASpanIsThatOfItsBestCode() throws {
        let (x, t) = try planted(rows: 40, expert: 5, target: 3)
        let loss = AutoencoderLoss(x: x, target: t, codeWidth: 3, anchor: 0.7, penalty: 0.4)
        let spanLoss = SpanLoss(x: x, target: t, anchor: 0.7, penalty: 0.4)
        var random = RandomStream(seed: 6)
        let columns = random.nextMatrix(rows: 5, columns: 3)
        let code = spanLoss.encoder(columns.values)
        let value = spanLoss(columns.values).value
        #expect(abs(loss.reduced(code.values).value - value) < 1e-9 * value)
        for _ in 0..<50 {
            let turned = product(columns, try random.nextRotation(size: 3))
            let mixed = product(turned.scalingColumns([0.5, -1, 2]), try random.nextRotation(size: 3))
            #expect(abs(spanLoss(mixed.values).value - value) < 1e-9 * value)
            #expect(loss.reduced(mixed.values).value > value)
            expectEqual(spanLoss.encoder(mixed.values), code, within: 1e-7)
        }
    }

    private func expectGradient(
        at point: [Double], of function: ([Double]) -> (value: Double, gradient: [Double])
    ) {
        let gradient = function(point).gradient
        let scale = dotProduct(gradient, gradient).squareRoot()
        for index in point.indices {
            // Central differences: their error is third derivatives times step².
            var ahead = point, behind = point
            let step = 1e-4
            ahead[index] += step
            behind[index] -= step
            let slope = (function(ahead).value - function(behind).value) / (2 * step)
            #expect(abs(slope - gradient[index]) < 1e-6 * scale)
        }
    }

    @Test func theBestDecoderIsTheBest() throws {
        let (x, _) = try planted(rows: 40, expert: 5, target: 3)
        let loss = AutoencoderLoss(x: x, target: nil, codeWidth: 3, anchor: 0, penalty: 0)
        var random = RandomStream(seed: 5)
        let encoder = (0..<15).map { _ in random.nextNormal() }
        let (value, _, decoder) = loss.reduced(encoder)
        let slopes = loss(encoder + decoder.values).gradient.dropFirst(15)
        #expect(slopes.allSatisfy { abs($0) < 1e-9 })
        let left = try reconstructionLoss(x, Matrix(rows: 5, columns: 3, values: encoder))
        #expect(abs(value - left / 40) < 1e-9)
    }

    @Test func theLossIsThatOfItsDefinition() throws {
        let (x, t) = try planted(rows: 30, expert: 5, target: 3)
        let loss = AutoencoderLoss(x: x, target: t, codeWidth: 3, anchor: 2, penalty: 0)
        var random = RandomStream(seed: 3)
        let point = (0..<loss.parameterCount).map { _ in random.nextNormal() }
        let (w, u) = loss.split(point)
        let code = product(x, w)
        let expected = squares(difference(x, product(code, u))) + 2 * squares(difference(code, t))
        #expect(abs(loss(point).value - expected / 30) < 1e-9 * expected)
    }

    @Test(arguments: [2, 6, 16])
    func descentFindsTheAutoencodersLoss(width: Int) throws {
        let (x, _) = try planted()
        let gradient = try Alignment.fit(
            .autoencoder, expert: x, target: nil, width: width,
            options: options { $0.solver = .gradient(iterations: 2000) })
        let closed = try Alignment.fit(
            .autoencoder, expert: x, target: nil, width: width, options: options { _ in })
        let figures = try #require(gradient.figures), expected = try #require(closed.figures)
        #expect(abs(figures.reconstruction - expected.reconstruction) < 1e-5)
        if width < x.columns {
            let loss = try reconstructionLoss(x, gradient.weights)
            #expect(abs(loss - (try reconstructionLoss(x, closed.weights))) < 1e-8 * squares(x))
        }
    }

    // MARK: - Anchored

    /// The penalized loss with its best decoder.
    private func anchoredLoss(_ x: Matrix, _ t: Matrix, _ w: Matrix, anchor: Double, penalty: Double) throws
        -> Double
    {
        let moments = gram(x).addingToDiagonal(penalty)
        let loads = product(w, moments, transposing: .first)
        let decoder = try CholeskyFactor(of: product(loads, w)).solve(loads)
        let loss = AutoencoderLoss(x: x, target: t, codeWidth: t.columns, anchor: anchor, penalty: penalty)
        return loss(w.values + decoder.values).value
    }

    @Test(arguments: [
        (0.1, 120, 14, 6), (1, 120, 14, 6), (10, 120, 14, 6), (1, 20, 30, 8), (10, 20, 30, 8),
    ])
    func descentFindsTheAnchoredCode(anchor: Double, rows: Int, expert: Int, target: Int) throws {
        let (x, t) = try planted(rows: rows, expert: expert, target: target)
        let (closed, gradient) = try (
            Alignment.fit(
                .anchored, expert: x, target: t,
                options: options { ($0.anchor, $0.ridge) = (anchor, 0.01) }),
            Alignment.fit(
                .anchored, expert: x, target: t,
                options: options {
                    ($0.anchor, $0.ridge, $0.solver) = (anchor, 0.01, .gradient(iterations: 3000))
                })
        )
        let penalty = 0.01 * squares(x) / Double(x.columns)
        let best = try anchoredLoss(x, t, closed.weights, anchor: anchor, penalty: penalty)
        let found = try anchoredLoss(x, t, gradient.weights, anchor: anchor, penalty: penalty)
        #expect(best <= found + 1e-9)
        #expect(abs(found - best) < 1e-6 * best)
        // This code, unlike the plain auto-encoder's, is one: the map is found too and not only the loss.
        expectEqual(closed.weights, gradient.weights, within: 1e-3)
    }

    /// Half of all starts have the sign of some component of the code wrong, and a faint anchor hardly tells.
    @Test(arguments: [(0.001, 120, 14, 6), (0.1, 120, 14, 6), (10, 20, 30, 8)])
    func descentFindsTheAnchoredCodeFromEveryStart(anchor: Double, rows: Int, expert: Int, target: Int) throws
    {
        for seed in 1...12 as ClosedRange<UInt64> {
            let (x, t) = try planted(rows: rows, expert: expert, target: target, seed: seed)
            let (closed, descent) = try (
                Alignment.fit(
                    .anchored, expert: x, target: t,
                    options: options { ($0.anchor, $0.ridge) = (anchor, 0.01) }),
                Alignment.fit(
                    .anchored, expert: x, target: t,
                    options: options {
                        ($0.anchor, $0.ridge, $0.seed) = (anchor, 0.01, seed)
                        $0.solver = .gradient(iterations: 3000)
                    })
            )
            expectEqual(closed.weights, descent.weights, within: 1e-5)
        }
    }

    @Test func withoutAnAnchorItIsThePublishedAutoencoder() throws {
        let (x, t) = try planted()
        let paper = try Alignment.fit(.autoencoder, expert: x, target: t, options: options { _ in })
        let none = try Alignment.fit(.anchored, expert: x, target: t, options: options { $0.anchor = 0 })
        let axes = paper.weights.values.reduce(0) { max($0, abs($1)) }
        expectEqual(product(x, none.weights), product(x, paper.weights), within: 4 * axes * 1e3)
        #expect(
            abs(try reconstructionLoss(x, none.weights) - reconstructionLoss(x, paper.weights))
                < 1e-8 * squares(x))
        // The faintest anchor keeps the loss and chooses the axes.
        let faint = try Alignment.fit(
            .anchored, expert: x, target: t,
            options: options { ($0.anchor, $0.ridge) = (1e-7, 1e-3) })
        let loss = try reconstructionLoss(x, faint.weights)
        let paperLoss = try reconstructionLoss(x, paper.weights)
        #expect(abs(loss - paperLoss) < 1e-5 * squares(x))
        #expect((faint.figures?.agreement ?? 0) > (paper.figures?.agreement ?? 0) + 0.3)
    }

    @Test(arguments: [1e9, .infinity])
    func withAnInfiniteAnchorItIsRidgeRegression(anchor: Double) throws {
        let (x, t) = try planted()
        let anchored = try Alignment.fit(
            .anchored, expert: x, target: t,
            options: options { ($0.anchor, $0.ridge) = (anchor, 0.1) })
        let ridge = try Alignment.fit(.ridge, expert: x, target: t, options: options { $0.ridge = 0.1 })
        expectEqual(anchored.weights, ridge.weights, within: 1e-6)
    }

    @Test(arguments: [1e-3, 1, 1e3])
    func aTargetThatIsWideEnoughMakesTheAnchoredCodeRidgeRegression(anchor: Double) throws {
        let (x, t) = try planted(expert: 5, target: 9)
        let anchored = try Alignment.fit(
            .anchored, expert: x, target: t,
            options: options { ($0.anchor, $0.ridge) = (anchor, 0.1) })
        let ridge = try Alignment.fit(.ridge, expert: x, target: t, options: options { $0.ridge = 0.1 })
        expectEqual(anchored.weights, ridge.weights, within: 1e-9)
        // And descent agrees that nothing better is to be had.
        let descent = try Alignment.fit(
            .anchored, expert: x, target: t,
            options: options {
                ($0.anchor, $0.ridge, $0.solver) = (anchor, 0.1, .gradient(iterations: 5000))
            })
        expectEqual(product(x, descent.weights), product(x, ridge.weights), within: 1e-6)
    }

    @Test func anAnchorTradesReconstructionForTheTarget() throws {
        let (x, t) = try planted()
        let figures = try [0, 0.1, 1, 10, 1000].map { anchor in
            try #require(
                try Alignment.fit(
                    .anchored, expert: x, target: t,
                    options: options { ($0.anchor, $0.ridge) = (anchor, 0.01) }
                ).figures)
        }
        for (less, more) in zip(figures, figures.dropFirst()) {
            #expect(more.reconstruction <= less.reconstruction + 1e-3)
            #expect((more.explained ?? 0) >= (less.explained ?? 0) - 1e-3)
        }
    }

    // MARK: - Ridge, Procrustes

    @Test func ridgeSolvesItsNormalEquations() throws {
        let (x, t) = try planted(rows: 10, expert: 14)
        let encoder = try Alignment.fit(.ridge, expert: x, target: t, options: options { $0.ridge = 0.3 })
        let penalty = 0.3 * squares(x) / 14
        let left = product(gram(x).addingToDiagonal(penalty), encoder.weights)
        expectEqual(left, product(x, t, transposing: .first), within: 1e-9)
    }

    @Test(arguments: [false, true])
    func aKnownRotationIsRecovered(isScaled: Bool) throws {
        let (x, _) = try planted(rows: 60, expert: 9)
        var random = RandomStream(seed: 4)
        let rotation = try random.nextRotation(size: 9)
        let encoder = try Alignment.fit(
            .procrustes, expert: x, target: product(x, rotation), options: options { $0.isScaled = isScaled })
        expectEqual(encoder.weights, rotation, within: 1e-9)
        #expect((encoder.figures?.explained ?? 0) > 1 - 1e-9)
    }

    @Test(arguments: [(5, 8), (8, 5)])
    func betweenTwoWidthsTheNarrowerSideStaysOrthogonal(widths: (Int, Int)) throws {
        let (x, t) = try planted(rows: 60, expert: widths.0, target: widths.1)
        let map = try Alignment.fit(
            .procrustes, expert: x, target: t, options: options { $0.isScaled = false }
        ).weights
        expectEqual(
            gram(map, ofRows: widths.0 < widths.1), .identity(min(widths.0, widths.1)), within: 1e-9)
        // The same as after filling the narrower side up with zeros.
        func filled(_ states: Matrix) -> Matrix {
            var result = Matrix(rows: states.rows, columns: 8)
            for row in 0..<states.rows {
                for column in 0..<states.columns { result[row, column] = states[row, column] }
            }
            return result
        }
        let parts = try SingularValues(of: product(filled(x), filled(t), transposing: .first))
        let square = product(parts.left, parts.rightTransposed)
        for row in 0..<widths.0 {
            for column in 0..<widths.1 { #expect(abs(square[row, column] - map[row, column]) < 1e-9) }
        }
    }

    @Test func noRotationIsBetterThanProcrustes() throws {
        let (x, t) = try planted(rows: 60, expert: 7, target: 7)
        let encoder = try Alignment.fit(
            .procrustes, expert: x, target: t, options: options { $0.isScaled = false })
        let best = squares(difference(product(x, encoder.weights), t))
        for seed in 0..<20 {
            var random = RandomStream(seed: UInt64(seed))
            #expect(squares(difference(product(x, try random.nextRotation(size: 7)), t)) > best)
        }
    }
}
