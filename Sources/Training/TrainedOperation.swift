// SPDX-License-Identifier: Apache-2.0
// Uses of a trained direction: the same contrast can be added, removed, clamped, rotated towards, or applied to single
// elements or to the attention heads.

import Formats
import Steering
import Tiller

/// The operation that a profile performs with its trained direction.
package enum TrainedOperation: String, Sendable, CaseIterable {
    /// Adds the direction (CAA, arXiv 2312.06681).
    case add
    /// Projects the direction out of the states (arXiv 2406.11717); strength 1 removes it completely.
    case projectOut = "project-out"
    /// Raises states below the mean projection of the positive side to it; strength 1 raises them all the way.
    case clamp
    /// Rotates the mean state towards the direction; strength in radians (angular steering, arXiv 2510.26243).
    case rotate
    /// Scales the elements that differ most between the two sides (SADI, arXiv 2410.12299).
    case scale
    /// Adds the contrast of the attention heads' outputs, in units of their own RMS (ITI, arXiv 2306.03341).
    case headAdd = "head-add"

    /// Whether it works at sites other than the residual stream, from whose states all directions are learned.
    var fitsEverySite: Bool { self == .add || self == .projectOut }
}

/// Makes a profile's operations from its training states.
struct OperationMaker {
    let engine: Engine
    let options: TrainingOptions
    let choice: ProfileChoice
    let captured: CapturedStates

    /// SADI scales one in this many elements.
    private static let maskedShare = 10

    /// Converts a profile that adds its directions to the trained operation.
    ///
    /// - Parameters:
    ///   - profile: one operation and one vector per layer of the choice.
    ///   - heads: captures the heads' outputs at these layers.
    func shape(_ profile: SteeringProfile, heads: () throws(TillerError) -> CapturedStates)
        throws(TillerError)
        -> SteeringProfile
    {
        guard options.operation != .add else { return profile }
        let plans = engine.model.configuration.layers
        if options.operation == .headAdd,
            let layer = choice.layers.first(where: { plans[$0].attention == nil })
        {
            let others = plans.indices.filter { plans[$0].attention != nil }
            throw .invalidOption(
                "layer \(layer) has no attention heads for 'head-add'; the layers \(others) have some")
        }
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
            throw .invalidOption("both sides are too similar for '\(options.operation.rawValue)'")
        }
        var shaped = profile
        shaped.operations = operations
        shaped.vectors = vectors
        return shaped
    }

    /// A layer's direction of the heads' outputs [headCount · headSize], and their RMS.
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
            // A state-dependent operation would change the first position, the attention sink, hundreds of times as much
            // as any other, and with it all later tokens.
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
            // A positive strength moves the mean state towards the positive side.
            for index in largest { mask[index] = direction[index] * mean[index] < 0 ? -1 : 1 }
            return (operation(.scale), [mask])
        case .headAdd:
            guard let head, head.vector.contains(where: { $0 != 0 }) else { return nil }
            var own = SteeringProfile.Operation(
                .add, site: .headOutputs, layer: layer, vector: firstVector,
                coefficient: head.rms / captured.residualRMS[layer],
                keepsNorm: options.keepsNorm, width: head.vector.count)
            own.firstPosition = options.sparedPositions ?? 0
            // The recorder restores the source's head outputs where the file records their scaling.
            own.basis = engine.file.headScaling == nil ? .file : .source
            return (own, SteeringProfile.rows(of: head.vector, hiddenSize: direction.count))
        }
    }
}
