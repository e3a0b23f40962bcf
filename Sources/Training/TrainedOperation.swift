// SPDX-License-Identifier: Apache-2.0
// What a trained direction is used for: the same contrast can be added, removed, held at a value, turned towards, or
// found again in single elements and in the heads of the attention.

import Formats
import Steering
import Tiller

/// What a profile does with what was learned.
package enum TrainedOperation: String, Sendable, CaseIterable {
    /// Adds the direction (CAA, arXiv 2312.06681).
    case add
    /// Takes the direction out of the states (arXiv 2406.11717); strength 1 leaves nothing of it.
    case projectOut = "project-out"
    /// Lifts states to the mean projection of the positive side where they are below; strength 1 all the way.
    case clamp
    /// Turns the mean state towards the direction, strength in radians (angular steering, arXiv 2510.26243).
    case rotate
    /// Scales the elements that differ most between both sides (SADI, arXiv 2410.12299).
    case scale
    /// Adds the contrast of what the attention's heads read, in units of their own RMS (ITI, arXiv 2306.03341).
    case headAdd = "head-add"

    /// Whether it works at other sites than the residual stream, from whose states everything is learned.
    var fitsEverySite: Bool { self == .add || self == .projectOut }
}

/// Makes the operations of a profile out of the states that it was trained on.
struct OperationMaker {
    let engine: Engine
    let options: TrainingOptions
    let choice: ProfileChoice
    let captured: CapturedStates

    /// SADI's share of the elements that are scaled.
    private static let maskedShare = 10

    /// Another operation with the directions of a profile that adds them.
    ///
    /// - Parameters:
    ///   - profile: one operation and one vector for each of the choice's layers.
    ///   - heads: reads what the heads read, at these layers.
    func shape(_ profile: SteeringProfile, heads: () throws(TillerError) -> CapturedStates)
        throws(TillerError)
        -> SteeringProfile
    {
        guard options.operation != .add else { return profile }
        var (operations, vectors): ([SteeringProfile.Operation], [[Float]]) = ([], [])
        let wide = options.operation == .headAdd ? try read(heads()) : nil
        for (index, (layer, direction)) in zip(choice.layers, profile.vectors).enumerated() {
            let head = wide.map { Head(vector: $0.vectors[index], rms: $0.rms[layer]) }
            guard let (operation, own) = make(layer, direction, head, firstVector: vectors.count) else {
                continue
            }
            operations.append(operation)
            vectors += own
        }
        guard !operations.isEmpty else {
            throw .invalidOption("both sides are too alike to make '\(options.operation.rawValue)' of them")
        }
        var shaped = profile
        shaped.operations = operations
        shaped.vectors = vectors
        return shaped
    }

    /// What the heads of a layer read: its direction [headCount · headSize] and its RMS.
    private struct Head {
        let vector: [Float]
        let rms: Float
    }

    /// - Returns: directions of the choice's layers, RMS of all layers.
    private func read(_ heads: CapturedStates) throws(TillerError) -> (vectors: [[Float]], rms: [Float]) {
        let directions = LayerDirections(
            of: heads, method: options.method, options: options.direction,
            threadCount: engine.compute.threadCount)
        try directions.find([choice], part: nil, progress: { _ in })
        return (directions.vectors(of: choice, part: nil).map { $0.map { Float($0) } }, heads.residualRMS)
    }

    /// - Returns: nil where a layer has no direction.
    private func make(_ layer: Int, _ direction: [Float], _ head: Head?, firstVector: Int)
        -> (SteeringProfile.Operation, [[Float]])?
    {
        guard direction.contains(where: { $0 != 0 }) else { return nil }
        func operation(_ kind: SteeringProfile.Kind) -> SteeringProfile.Operation {
            var operation = SteeringProfile.Operation(
                kind, site: options.site, layer: layer, vector: firstVector, keepsNorm: options.keepsNorm)
            // What depends on the state would change that of the first position, the attention's sink, hundreds of
            // times as much as any other, and all later tokens with it.
            operation.firstPosition = options.sparedPositions ?? (kind == .add ? 0 : 1)
            return operation
        }
        let states = choice.states(captured, layer: layer)
        let (positive, negative) = (states.positive.columnMeans, states.negative.columnMeans)
        let mean = zip(positive, negative).map { Float(($0 + $1) / 2) }
        switch options.operation {
        case .add: return (operation(.add), [direction])
        case .projectOut: return (operation(.projectOut), [direction])
        case .clamp:
            let projection = zip(positive, direction).reduce(0.0) { $0 + $1.0 * Double($1.1) }
            let target = Float(projection) / captured.residualRMS[layer]
            return (operation(.clamp(target: target, .whenBelow)), [direction])
        case .rotate:
            let second = mean.unitNorm(orthogonalTo: direction)
            guard second.contains(where: { $0 != 0 }) else { return nil }
            return (operation(.rotate(second: firstVector + 1, target: nil)), [direction, second])
        case .scale:
            let count = max(direction.count / Self.maskedShare, 1)
            let largest = direction.indices.sorted { abs(direction[$0]) > abs(direction[$1]) }.prefix(count)
            var mask = [Float](repeating: 0, count: direction.count)
            // A positive strength moves the mean state to the positive side.
            for index in largest { mask[index] = direction[index] * mean[index] < 0 ? -1 : 1 }
            return (operation(.scale), [mask])
        case .headAdd:
            guard let head, head.vector.contains(where: { $0 != 0 }) else { return nil }
            var own = SteeringProfile.Operation(
                .add, site: .headOutputs, layer: layer, vector: firstVector,
                coefficient: head.rms / captured.residualRMS[layer],
                keepsNorm: options.keepsNorm, width: head.vector.count)
            own.firstPosition = options.sparedPositions ?? 0
            // The recorder turns the heads back into the source's, where the file says how.
            own.basis = engine.file.headScaling == nil ? .file : .source
            return (own, SteeringProfile.rows(of: head.vector, hiddenSize: direction.count))
        }
    }
}
