// SPDX-License-Identifier: Apache-2.0
// Negative controls: the same operations at the same layers, with directions that carry no information about the concept.

import Directions
import Formats
import LinearAlgebra
import Steering

/// Kinds of negative controls.
package enum ControlKind: String, Sendable, CaseIterable {
    /// An independent random direction per operation.
    case random
    /// The mean difference of the same items after swapping sides at random: a direction within the data's own span.
    case shuffled
    /// Applies one random rotation to all directions, which preserves the angles between layers. Every method here is
    /// equivariant under rotation (distances and products do not change). So for a direction from an expert, this equals
    /// the encoder followed by a random rotation, without training again.
    case rotated
}

/// Sums of the pairs' differences with random signs, one per layer: directions within the data's own span that carry no
/// information about the concept.
///
/// - Parameter differences: [pairs × width] per layer, with the same pairs in every layer.
package func shuffledSums(of differences: [Matrix], _ stream: inout RandomStream) -> [[Double]] {
    let signs = (0..<(differences.first?.rows ?? 0)).map { _ in stream.next() & 1 == 0 ? 1.0 : -1.0 }
    return differences.map { rows in
        signs.indices.reduce(into: [Double](repeating: 0, count: rows.columns)) { sum, row in
            for column in sum.indices { sum[column] += signs[row] * rows[row, column] }
        }
    }
}

/// Makes the controls of one profile.
package struct ControlMaker {
    let profile: SteeringProfile
    let seed: UInt64

    package init(profile: SteeringProfile, seed: UInt64) {
        self.profile = profile
        self.seed = seed
    }

    /// The profile with random directions.
    func random(_ index: Int) -> SteeringProfile {
        var stream = RandomStream(seed: seed, part: 3 * index)
        return replacingDirections { first, second in
            let width = first.count
            let drawn = (0..<width).map { _ in Float(stream.nextNormal()) }
            let other = second.map { _ in
                (0..<width).map { _ in Float(stream.nextNormal()) }.unitNorm(orthogonalTo: drawn.unitNorm)
            }
            return (drawn.scaled(to: first.norm), other)
        }
    }

    /// The profile with given directions, one per layer, scaled to the norms of the original ones.
    ///
    /// - Returns: nil where an operation does not have the stream's width, or a layer has no direction.
    func with(_ directions: [Int: [Float]]) -> SteeringProfile? {
        guard profile.operations.allSatisfy({ $0.width == nil && directions[$0.layer] != nil }) else {
            return nil
        }
        var layers = profile.operations.map(\.layer)[...]
        return replacingDirections(sharing: false) { first, second in
            let direction = layers.popFirst().flatMap { directions[$0] } ?? first
            return (
                direction.scaled(to: first.norm), second.map { $0.unitNorm(orthogonalTo: direction.unitNorm) }
            )
        }
    }

    /// The profile with one rotation of all directions that have the stream's width; other widths have their own rotation.
    package func rotated(_ index: Int) -> SteeringProfile {
        var stream = RandomStream(seed: seed, part: 3 * index + 1)
        // Only the rotation of the span matters: it maps an orthonormal basis to a random one.
        var frames: [Int: RotatedFrame] = [:]
        return replacingDirections { first, second in
            let width = first.count
            func turn(_ vector: [Float]) -> [Float] {
                frames[width, default: RotatedFrame(width: width)].turn(vector, &stream)
            }
            return (turn(first), second.map(turn))
        }
    }

    /// - Parameters:
    ///   - sharing: whether operations with the same vectors get the same replacement.
    ///   - replacement: maps an operation's direction, and a rotation's second one, to their replacements.
    private func replacingDirections(
        sharing: Bool = true, _ replacement: ([Float], [Float]?) -> ([Float], [Float]?)
    ) -> SteeringProfile {
        var control = profile
        var known: [[Int]: (Int, Int)] = [:]
        for index in profile.operations.indices {
            let operation = profile.operations[index]
            let secondIndex = operation.kind.second
            let key = [operation.vector, secondIndex ?? -1, operation.width ?? 0]
            var place = sharing ? known[key] : nil
            if place == nil {
                let second = secondIndex.map { profile.vector($0, of: operation) }
                let (a, b) = replacement(profile.vector(operation.vector, of: operation), second)
                let start = control.vectors.count
                control.vectors += SteeringProfile.rows(of: a, hiddenSize: profile.hiddenSize)
                let next = control.vectors.count
                if let b { control.vectors += SteeringProfile.rows(of: b, hiddenSize: profile.hiddenSize) }
                place = (start, next)
                known[key] = place
            }
            guard let place else { continue }
            control.operations[index].vector = place.0
            if secondIndex != nil { control.operations[index].kind.second = place.1 }
        }
        return control
    }
}

/// A random rotation, constructed on demand: an orthonormal basis and its image, extended vector by vector.
private struct RotatedFrame {
    let width: Int
    private var basis: [[Double]] = []
    private var images: [[Double]] = []

    init(width: Int) { self.width = width }

    mutating func turn(_ vector: [Float], _ stream: inout RandomStream) -> [Float] {
        var rest = vector.map(Double.init)
        var result = [Double](repeating: 0, count: width)
        func subtract(_ frame: [[Double]], from x: inout [Double]) -> [Double] {
            frame.map { direction in
                let part = zip(x, direction).reduce(0) { $0 + $1.0 * $1.1 }
                for index in x.indices { x[index] -= part * direction[index] }
                return part
            }
        }
        let norm = rest.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let parts = subtract(basis, from: &rest)
        for (part, image) in zip(parts, images) {
            for index in result.indices { result[index] += part * image[index] }
        }
        let length = rest.reduce(0) { $0 + $1 * $1 }.squareRoot()
        // A rest that is only rounding error has no direction.
        guard length > 1e-6 * norm, images.count < width else { return result.map { Float($0) } }
        var image = (0..<width).map { _ in stream.nextNormal() }
        // Orthogonalize twice: the first pass leaves rounding errors.
        _ = subtract(images, from: &image)
        _ = subtract(images, from: &image)
        let size = image.reduce(0) { $0 + $1 * $1 }.squareRoot()
        image = image.map { $0 / size }
        basis.append(rest.map { $0 / length })
        images.append(image)
        for index in result.indices { result[index] += length * image[index] }
        return result.map { Float($0) }
    }
}

extension [Float] {
    fileprivate var norm: Float { Float(reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()) }

    fileprivate func scaled(to norm: Float) -> [Float] { unitNorm.map { $0 * norm } }
}
