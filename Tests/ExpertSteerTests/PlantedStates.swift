// SPDX-License-Identifier: Apache-2.0
// States of an expert and a target that know the same things, each in a basis of its own.

import Directions
import ExpertSteer
import LinearAlgebra
import Testing

/// X = Z A + noise and T = Z B + noise with standard normal Z, A, B.
struct PlantedStates {
    let expert, target: Matrix
    /// Z [n × shared].
    let shared: Matrix

    init(rows: Int, expertWidth: Int, targetWidth: Int, shared count: Int, noise: Double, seed: UInt64) {
        var random = RandomStream(seed: seed)
        let latent = random.nextMatrix(rows: rows, columns: count)
        func states(width: Int) -> Matrix {
            let pure = product(latent, random.nextMatrix(rows: count, columns: width))
            let noisy = random.nextMatrix(rows: rows, columns: width).values
            return Matrix(
                rows: rows, columns: width, values: zip(pure.values, noisy).map { $0 + noise * $1 })
        }
        shared = latent
        expert = states(width: expertWidth)
        target = states(width: targetWidth)
    }
}

/// Expects equal sizes and no element further apart than `tolerance`.
func expectEqual(
    _ a: Matrix, _ b: Matrix, within tolerance: Double, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(a.rows == b.rows && a.columns == b.columns, sourceLocation: sourceLocation)
    let difference = zip(a.values, b.values).reduce(0) { max($0, abs($1.0 - $1.1)) }
    #expect(difference <= tolerance, sourceLocation: sourceLocation)
}

func cosineOf(_ a: [Double], _ b: [Double]) -> Double {
    dotProduct(a, b) / (dotProduct(a, a) * dotProduct(b, b)).squareRoot()
}

/// ‖A‖².
func squares(_ a: Matrix) -> Double { dotProduct(a.values, a.values) }

func difference(_ a: Matrix, _ b: Matrix) -> Matrix {
    Matrix(rows: a.rows, columns: a.columns, values: zip(a.values, b.values).map { $0 - $1 })
}

extension LayerGrid {
    /// All layers of both.
    init(expertLayerCount: Int, targetLayerCount: Int) {
        self.init(
            expertLayers: Array(0..<expertLayerCount), expertLayerCount: expertLayerCount,
            targetLayers: Array(0..<targetLayerCount), targetLayerCount: targetLayerCount)
    }
}

extension MutualInformationMatrix {
    /// Reduces all layers first; all are [texts × width], with the same texts in the same order.
    init(
        expertLayers: [Matrix], targetLayers: [Matrix], options: MutualInformationOptions = .init(),
        threadCount: Int = 1
    ) throws(StatesError) {
        func scores(_ layers: [Matrix]) throws(StatesError) -> [LayerScores] {
            var scores: [LayerScores] = []
            for layer in layers { scores.append(try LayerScores(of: layer, components: options.components)) }
            return scores
        }
        try self.init(
            expert: scores(expertLayers), target: scores(targetLayers), options: options,
            threadCount: threadCount)
    }
}
