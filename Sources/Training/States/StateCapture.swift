// SPDX-License-Identifier: Apache-2.0
// Captures the residual stream over contrastive pairs.

import Directions
import Evaluation
import LinearAlgebra
import Tiller
import Transformer

/// States of both sides of pairs, per source and layer.
struct CapturedStates {
    /// One state [hiddenSize] per pair and side, row by row.
    private struct Matrices {
        var positive: [Float] = []
        var negative: [Float] = []
    }

    private var matrices: [StateSource: [Int: Matrices]] = [:]
    private let hiddenSize: Int
    /// Mean root mean square of the states at each layer of the model, over the sides' own tokens.
    fileprivate(set) var residualRMS: [Float]

    fileprivate init(layerCount: Int, hiddenSize: Int) {
        self.hiddenSize = hiddenSize
        residualRMS = Array(repeating: 0, count: layerCount)
    }

    /// The sources that were captured.
    var sources: [StateSource] { StateSource.allCases.filter { matrices[$0] != nil } }

    fileprivate mutating func add(_ positive: [Float], _ negative: [Float], _ source: StateSource, layer: Int)
    {
        matrices[source, default: [:]][layer, default: Matrices()].positive += positive
        matrices[source, default: [:]][layer, default: Matrices()].negative += negative
    }

    /// Contrastive states of a layer.
    ///
    /// - Parameter part: 0 or 1 takes one half of the rows, alternating two by two so that a balanced couple of
    ///   `.prompts` is not split; nil takes all.
    func pairs(_ source: StateSource, layer: Int, part: Int? = nil) -> PairedStates {
        let all = matrices[source]?[layer] ?? Matrices()
        // One row of `.prompts` comes from a couple, which is two pairs.
        let turn = source == .prompts ? 1 : 2
        let rows = (0..<all.positive.count / hiddenSize).filter { part == nil || $0 / turn % 2 == part }
        func take(_ states: [Float]) -> Matrix {
            Matrix(
                rows: rows.count, columns: hiddenSize,
                values: rows.flatMap { states[$0 * hiddenSize..<($0 + 1) * hiddenSize].map(Double.init) })
        }
        return PairedStates(positive: take(all.positive), negative: take(all.negative))
    }
}

/// Runs pairs through the model; the prefix that both sides share is computed once.
struct StateCapture {
    /// Longer texts are truncated here; a concept shows early.
    static let tokenLimit = 512

    private let session: Session
    private let layers: [Int]
    private let layerCount, hiddenSize: Int
    private let capturesHeads: Bool

    /// - Parameters:
    ///   - layers: the layers to capture.
    ///   - capturesHeads: captures the attention heads' outputs in place of the residual stream.
    init(engine: Engine, layers: [Int], capturesHeads: Bool = false) throws(TillerError) {
        session = try engine.makeSession(contextLength: Self.tokenLimit)
        self.layers = layers
        self.capturesHeads = capturesHeads
        let configuration = engine.model.configuration
        layerCount = configuration.layerCount
        hiddenSize =
            capturesHeads ? configuration.headCount * configuration.headSize : configuration.hiddenSize
    }

    func capture(_ set: TrainingSet, progress: (TrainingProgress) -> Void) -> CapturedStates {
        var states = CapturedStates(layerCount: layerCount, hiddenSize: hiddenSize)
        let promptPositions = set.fixedAnswers == nil ? nil : set.promptPositions
        var earlierPrompt: ResidualRecorder?
        for (index, pair) in set.pairs.enumerated() {
            let prompt = makeRecorder(promptPositions?[index] ?? 0..<0)
            // Cached for both sides, unless a side without a prompt starts with another token.
            let shared = pair.negative[..<pair.start] == pair.prompt ? pair.start : 0
            evaluate(pair.positive, 0..<shared, prompt)
            let positive = record(pair.positive, from: shared, start: pair.start)
            let negative = record(pair.negative, from: shared, start: pair.start)
            for layer in layers {
                states.add(positive.mean(layer: layer), negative.mean(layer: layer), .answers, layer: layer)
                if set.fixedAnswers == nil {
                    let (a, b) = (positive.last.mean(layer: layer), negative.last.mean(layer: layer))
                    states.add(a, b, .last, layer: layer)
                }
                // Pairs alternate between the two answers.
                if promptPositions != nil, index % 2 == 1, let first = earlierPrompt {
                    states.add(first.mean(layer: layer), prompt.mean(layer: layer), .prompts, layer: layer)
                }
            }
            for layer in 0..<layerCount {
                states.residualRMS[layer] += (positive.rms(layer: layer) + negative.rms(layer: layer)) / 2
            }
            earlierPrompt = prompt
            progress(.capturing(pair: index + 1, of: set.pairs.count))
        }
        states.residualRMS = states.residualRMS.map { $0 / Float(set.pairs.count) }
        return states
    }

    /// States of one side: at its last token, and at the tokens before it.
    private struct Side {
        let before, last: ResidualRecorder

        /// The mean state over the side's own tokens [hiddenSize].
        func mean(layer: Int) -> [Float] {
            let count = Float(before.count(layer: layer))
            return zip(before.mean(layer: layer), last.mean(layer: layer)).map {
                ($0 * count + $1) / (count + 1)
            }
        }

        func rms(layer: Int) -> Float {
            let count = Float(before.count(layer: layer))
            return (before.rms(layer: layer) * count + last.rms(layer: layer)) / (count + 1)
        }
    }

    /// - Parameters:
    ///   - first: the first position that is not in the cache.
    ///   - start: the first of the side's own tokens.
    private func record(_ tokens: [Int32], from first: Int, start: Int) -> Side {
        let own = start..<tokens.count
        let side = Side(before: makeRecorder(own), last: makeRecorder(own))
        evaluate(tokens, first..<tokens.count - 1, side.before)
        evaluate(tokens, tokens.count - 1..<tokens.count, side.last)
        return side
    }

    private func makeRecorder(_ positions: Range<Int> = 0..<0) -> ResidualRecorder {
        session.engine.makeRecorder(positions, ofHeads: capturesHeads)
    }

    private func evaluate(_ tokens: [Int32], _ range: Range<Int>, _ recorder: ResidualRecorder) {
        session.record(tokens, range, with: recorder, ofHeads: capturesHeads)
    }
}
