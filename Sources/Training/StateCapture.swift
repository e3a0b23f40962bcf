// SPDX-License-Identifier: Apache-2.0
// Reads the residual stream over contrastive pairs.

import Evaluation
import ExpertSteer
import Tiller
import Transformer

/// Mean states of both sides of pairs, by layer.
struct CapturedStates {
    fileprivate var positive: [Int: [Float]] = [:]
    fileprivate var negative: [Int: [Float]] = [:]
    fileprivate var pairCount = 0
    fileprivate let hiddenSize: Int
    /// Mean root mean square of the stream after each layer of the model.
    fileprivate(set) var residualRMS: [Float]

    /// The paired states of one of the captured layers.
    func pairs(layer: Int) -> PairedStates {
        PairedStates(
            positive: positive[layer] ?? [], negative: negative[layer] ?? [], pairCount: pairCount,
            width: hiddenSize)
    }
}

/// Runs texts through the model and keeps the mean state over each side's own tokens.
struct StateCapture {
    let engine: Engine
    let layers: [Int]
    /// Longer texts are read up to here; a concept shows early.
    private let tokenLimit = 512

    init(engine: Engine, layers: [Int]) {
        self.engine = engine
        self.layers = layers
    }

    func capture(_ pairs: [ContrastivePair], progress: (TrainingProgress) -> Void) throws(TillerError)
        -> CapturedStates
    {
        let configuration = engine.model.configuration
        let session = try engine.makeSession(contextLength: tokenLimit)
        var states = CapturedStates(
            hiddenSize: configuration.hiddenSize,
            residualRMS: Array(repeating: 0, count: configuration.layerCount))
        for (index, pair) in pairs.enumerated() {
            let positive = try record(pair, pair.positive, session)
            let negative = try record(pair, pair.negative, session)
            for layer in layers {
                states.positive[layer, default: []] += positive.mean(layer: layer)
                states.negative[layer, default: []] += negative.mean(layer: layer)
            }
            for layer in 0..<configuration.layerCount {
                states.residualRMS[layer] += (positive.rms(layer: layer) + negative.rms(layer: layer)) / 2
            }
            states.pairCount += 1
            progress(.capturing(pair: index + 1, of: pairs.count))
        }
        states.residualRMS = states.residualRMS.map { $0 / Float(pairs.count) }
        return states
    }

    private func record(_ pair: ContrastivePair, _ side: String, _ session: Session) throws(TillerError)
        -> ResidualRecorder
    {
        let (tokens, start) = try pair.tokens(of: side, engine: engine)
        let kept = Array(tokens.prefix(tokenLimit))
        guard start < kept.count else {
            throw .invalidOption("a side has no token of its own within \(tokenLimit): '\(side.prefix(40))'")
        }
        let recorder = ResidualRecorder(
            layerCount: engine.model.configuration.layerCount,
            hiddenSize: engine.model.configuration.hiddenSize, positions: start..<kept.count)
        session.record(kept, with: recorder)
        return recorder
    }
}
