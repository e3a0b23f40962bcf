// SPDX-License-Identifier: Apache-2.0
// Runs a model over a reading list and streams its states to a file, so memory use depends neither on the data nor on the
// number of layers.

import Formats
import Platform
import Tiller
import Training
import Transformer

/// Captures the residual stream of one model.
package struct ActivationCapture {
    private let engine: Engine
    private let session: Session
    private let position: PositionRule
    private let layers: [Int]

    /// Longer rows are truncated; a prompt and a text of `Corpus.scalarLimit` usually fit.
    private static let tokenLimit = 1024

    /// The results of a capture, apart from the states.
    package struct Result {
        /// Mean root mean square of the residual stream after each layer, over the rows' own tokens, [layerCount].
        package let residualRMS: [Float]
        /// Rows written, and how many of them could not be read.
        package let rowCount, unreadCount: Int
    }

    /// - Parameter layers: layers to capture; nil captures all.
    /// - Throws: `TillerError.invalidOption` for layers that the model does not have.
    package init(engine: Engine, position: PositionRule, layers: [Int]? = nil) throws(TillerError) {
        let layerCount = engine.model.configuration.layerCount
        let chosen = Set(layers ?? Array(0..<layerCount)).sorted()
        try ProfileChoice.check(layers: chosen, of: layerCount)
        self.engine = engine
        self.position = position
        self.layers = chosen
        session = try engine.makeSession(contextLength: min(Self.tokenLimit, max(engine.contextLength, 2)))
    }

    /// Captures one shard of a list.
    ///
    /// - Parameters:
    ///   - path: the file to write; it appears when it is complete.
    ///   - progress: called after each row with (rows done, total rows).
    /// - Throws: `TillerError` for a prompt that the chat template refuses or a shard without rows, `FileError`, and
    ///   errors of `progress`; no file is left then.
    @discardableResult
    package func capture(
        _ list: Corpus, shard: ActivationShard = .whole, to path: String, replaceExisting: Bool,
        progress: (Int, Int) throws -> Void = { _, _ in }
    ) throws -> Result {
        let indices = list.rows.indices.filter { shard.contains(number: list.rows[$0].number) }
        guard !indices.isEmpty else {
            throw TillerError.invalidOption(
                "shard \(shard) has no row; \(list.pairs.count) pairs and \(list.texts.count) texts make at most "
                    + "\(max(list.pairs.count, list.texts.count)) shards")
        }
        let configuration = engine.model.configuration
        let header = ActivationHeader(
            model: engine.file.manifest.name, sourceHash: engine.file.manifest.source.sha256,
            layerCount: configuration.layerCount, width: configuration.hiddenSize, position: position,
            dataHash: list.dataHash, pairCount: list.pairs.count, textCount: list.texts.count, shard: shard)
        let writer = try ActivationWriter(
            path: path, replaceExisting: replaceExisting, header: header, layers: layers,
            rows: indices.map { list.rows[$0] })
        var rms = [Double](repeating: 0, count: configuration.layerCount)
        var (readCount, sharedPrompt): (Int, ArraySlice<Int32>) = (0, [])
        for (row, index) in indices.enumerated() {
            let (prompt, text) = list.text(ofRow: index)
            let read = try engine.read(
                prompt: prompt, text: text, rule: position, limit: session.contextLength)
            if !read.positions.isEmpty {
                // Only the two sides of a pair share a cached prompt, so that a row does not depend on its neighbours.
                let isCached = list.rows[index].label == -1 && read.tokens[..<read.start] == sharedPrompt
                let recorders = evaluate(read, isPromptCached: isCached)
                sharedPrompt = read.tokens[..<read.start]
                let states = layers.map { recorders.state.mean(layer: $0) }
                try requireFinite(states, row: index)
                try writer.write(row: row, tokenCount: read.positions.count, states: states)
                for layer in rms.indices { rms[layer] += recorders.rms(layer: layer) }
                readCount += 1
            } else {
                sharedPrompt = []
            }
            try progress(row + 1, indices.count)
        }
        try writer.finish()
        return Result(
            residualRMS: rms.map { Float($0 / Double(max(readCount, 1))) }, rowCount: indices.count,
            unreadCount: indices.count - readCount)
    }

    /// States at the chosen positions, and at the row's own tokens before them.
    private struct Recorders {
        let before, state: ResidualRecorder

        /// The mean over all of the row's own tokens that were read.
        func rms(layer: Int) -> Double {
            let (a, b) = (Double(before.count(layer: layer)), Double(state.count(layer: layer)))
            return (Double(before.rms(layer: layer)) * a + Double(state.rms(layer: layer)) * b)
                / max(a + b, 1)
        }
    }

    /// Uses a single call where possible: one token reads all weights, as a batch does.
    private func evaluate(_ row: ReadRow, isPromptCached: Bool) -> Recorders {
        let (first, end) = (row.positions.lowerBound, row.positions.upperBound)
        let recorders = Recorders(
            before: engine.makeRecorder(row.start..<first), state: engine.makeRecorder(row.positions))
        let begin = isPromptCached ? row.start : 0
        if first == row.start {
            session.record(row.tokens, begin..<end, with: recorders.state)
        } else {
            session.record(row.tokens, begin..<first, with: recorders.before)
            session.record(row.tokens, first..<end, with: recorders.state)
        }
        return recorders
    }

    private func requireFinite(_ states: [[Float]], row: Int) throws(TillerError) {
        for (layer, state) in zip(layers, states) where !state.allSatisfy(\.isFinite) {
            throw .invalidFile(
                "\(engine.modelName): the state of row \(row) after layer \(layer) is not finite; the weights "
                    + "cannot be used")
        }
    }
}
