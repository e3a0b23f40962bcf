// SPDX-License-Identifier: Apache-2.0
// The directions of single layers. Ranges of layers overlap, so most directions serve several choices: each is found
// once, several in parallel.

import Directions
import JSON
import Tiller

/// Finds directions in captured states, and caches them.
final class LayerDirections {
    private struct Key: Hashable {
        let source: StateSource
        let layer: Int
        /// The half of the states to fit; nil takes all.
        let part: Int?
    }

    private let captured: CapturedStates
    private let method: DirectionMethod
    private let options: DirectionOptions
    private let threadCount: Int
    private var found: [Key: FoundDirection] = [:]

    /// - Parameter threadCount: directions to find in parallel; the results do not depend on it.
    init(of captured: CapturedStates, method: DirectionMethod, options: DirectionOptions, threadCount: Int) {
        self.captured = captured
        self.method = method
        self.options = options
        self.threadCount = threadCount
    }

    /// Finds the directions of all layers of some choices.
    ///
    /// - Parameters:
    ///   - part: the half of the states to fit; nil takes all.
    ///   - progress: called with (directions done, total) for slow methods.
    /// - Throws: `TillerError.invalidOption` for states from which the method learns nothing.
    func find(
        _ choices: [ProfileChoice], part: Int?, progress: (TrainingProgress) -> Void
    ) throws(TillerError) {
        var wanted: [Key] = []
        for choice in choices {
            for layer in choice.layers {
                let key = Key(source: choice.source, layer: layer, part: part)
                if found[key] == nil, !wanted.contains(key) { wanted.append(key) }
            }
        }
        // Batches let this thread report progress.
        for start in stride(from: 0, to: wanted.count, by: threadCount) {
            let batch = wanted[start..<min(start + threadCount, wanted.count)]
            let directions = try parallelMap(batch.count, threadCount: threadCount) {
                index throws(TillerError) in
                try fit(batch[start + index])
            }
            for (key, direction) in zip(batch, directions) { found[key] = direction }
            if method.needsLinearAlgebra {
                progress(.fitting(direction: batch.endIndex, of: wanted.count))
            }
        }
    }

    private func fit(_ key: Key) throws(TillerError) -> FoundDirection {
        do {
            return try method.find(
                in: captured.pairs(key.source, layer: key.layer, part: key.part), options: options)
        } catch { throw .invalidOption("layer \(key.layer), states of \(key.source.rawValue): \(error)") }
    }

    /// A direction [hiddenSize] per layer of a choice.
    /// - Precondition: `find` has found them.
    func vectors(of choice: ProfileChoice, part: Int?) -> [[Double]] {
        choice.layers.map { layer in
            let vector = direction(choice, layer: layer, part: part).vector
            // Every method finds the opposite direction when the sides are swapped.
            return choice.isReversed ? vector.map { -$0 } : vector
        }
    }

    /// The record of a choice's directions, fitted to all states.
    ///
    /// - Parameter isDivided: whether there are also directions of part 0, which part 1 can evaluate.
    func json(of choice: ProfileChoice, isDivided: Bool) -> JSON.Object {
        let diagnostics = zip(choice.layers, vectors(of: choice, part: nil)).map {
            DirectionDiagnostics(of: $1, on: choice.states(captured, layer: $0))
        }
        var object: JSON.Object = [
            "training_pair_accuracy": .array(diagnostics.map { .number($0.pairAccuracy) })
        ]
        if method != .meanDifference {
            object["cosine_with_mean_difference"] = .array(
                diagnostics.map { $0.cosineWithMeanDifference.map { .number($0) } ?? .null })
        }
        let spectra = choice.layers.compactMap { direction(choice, layer: $0, part: nil).spectrum }
        if !spectra.isEmpty { object["leading_share"] = .array(spectra.map { .number($0.dominance) }) }
        if isDivided {
            object["held_out_auc"] = .array(
                zip(choice.layers, vectors(of: choice, part: 0)).map { layer, vector in
                    .number(
                        DirectionDiagnostics(of: vector, on: choice.states(captured, layer: layer, part: 1))
                            .auc)
                })
        }
        return object
    }

    private func direction(_ choice: ProfileChoice, layer: Int, part: Int?) -> FoundDirection {
        guard let known = found[Key(source: choice.source, layer: layer, part: part)] else {
            preconditionFailure("LayerDirections: layer \(layer) was not asked for")
        }
        return known
    }
}
