// SPDX-License-Identifier: Apache-2.0
// Compares the residual streams of two models of one shape, position by position: their states, and the displacements by
// steering.

import Steering
import Tiller

/// Mean cosines over all positions of the texts.
package struct StateComparison: Sendable {
    /// Cosines of the unsteered states after each layer, [layerCount].
    package let states: [Double]
    /// Cosines of the displacements by steering after each layer; nil where there are none, as before the first steered layer.
    package let displacements: [Double?]
}

extension StateComparison {
    /// Compares both models over texts.
    ///
    /// The first position does not count: it has the same large state in every text, since it is the attention sink.
    /// - Parameters:
    ///   - texts: the tokens of each text, the same for both models.
    ///   - onPosition: called after each position with (positions done, total positions).
    /// - Precondition: both models have the same shape, which is also the plan's.
    package static func measure(
        _ texts: [[Int32]], engine: Engine, reference: Engine, plan: SteeringPlan,
        onPosition: (Int, Int) -> Void = { _, _ in }
    ) throws(TillerError) -> StateComparison {
        let layerCount = engine.model.configuration.layerCount
        let total = texts.reduce(0) { $0 + $1.count }
        var states = Array(repeating: Mean(), count: layerCount)
        var displacements = states
        var done = 0
        for tokens in texts where !tokens.isEmpty {
            let length = tokens.count
            let sessions = [
                try session(engine, .none, length), try session(reference, .none, length),
                try session(engine, plan, length), try session(reference, plan, length),
            ]
            for position in tokens.indices {
                // A recorder keeps means; over one position the mean is the state.
                let recorders = sessions.map { session in
                    let recorder = session.engine.makeRecorder(position..<position + 1)
                    session.record(tokens, position..<position + 1, with: recorder)
                    return recorder
                }
                for layer in 0..<layerCount where position > 0 {
                    let rows = recorders.map { $0.mean(layer: layer) }
                    if let cosine = cosine(rows[0], rows[1]) { states[layer].add(cosine) }
                    let moved = [difference(rows[2], rows[0]), difference(rows[3], rows[1])]
                    if let cosine = cosine(moved[0], moved[1]) { displacements[layer].add(cosine) }
                }
                done += 1
                onPosition(done, total)
            }
        }
        return StateComparison(
            states: states.map { $0.value ?? 0 }, displacements: displacements.map(\.value))
    }

    private static func session(
        _ engine: Engine, _ plan: SteeringPlan, _ length: Int
    ) throws(TillerError) -> Session {
        let session = try engine.makeSession(contextLength: length)
        try session.steer(by: plan)
        return session
    }

    private struct Mean {
        private var sum = 0.0
        private var count = 0

        mutating func add(_ value: Double) {
            sum += value
            count += 1
        }

        /// nil where nothing was added.
        var value: Double? { count > 0 ? sum / Double(count) : nil }
    }

    private static func difference(_ a: [Float], _ b: [Float]) -> [Float] { zip(a, b).map { $0 - $1 } }
}

/// a·b / (|a| |b|); nil where either vector is zero.
package func cosine(_ a: [Float], _ b: [Float]) -> Double? {
    precondition(a.count == b.count, "cosine: sizes differ")
    var (product, squaresA, squaresB) = (0.0, 0.0, 0.0)
    for (x, y) in zip(a, b) {
        product += Double(x) * Double(y)
        squaresA += Double(x) * Double(x)
        squaresB += Double(y) * Double(y)
    }
    guard squaresA > 0, squaresB > 0 else { return nil }
    return product / (squaresA.squareRoot() * squaresB.squareRoot())
}
