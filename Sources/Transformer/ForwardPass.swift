// SPDX-License-Identifier: Apache-2.0
// The forward pass, step by step as in the literature: embedding, then for each block attention and
// feed-forward around the residual stream, then norm and head.

import Formats
import Kernels
import Platform
import Steering

/// Evaluates tokens with one model; owns the scratch memory.
///
/// Any number of threads may evaluate: their batches take turns (`Compute.exclusively`), also with those of other forward
/// passes on the same compute.
package final class ForwardPass: @unchecked Sendable {
    package let model: Model
    package let compute: Compute
    /// The most tokens that go through the blocks together.
    package let batchSize: Int

    let scratch: Scratch
    private let passing: PassingLayers?
    /// Whether all rows of the scratch memory are resident.
    private var hasFilledScratch = false

    /// Tokens of a batch unless told otherwise: twice as many prefill a few percent faster, but their memory would show.
    package static let defaultBatchSize = 128

    /// - passing: layers that do not stay in memory; nil keeps all.
    /// - Throws: `AllocationError`.
    package init(
        model: Model, compute: Compute, batchSize: Int = defaultBatchSize, passing: PassingLayers? = nil
    ) throws(AllocationError) {
        self.model = model
        self.compute = compute
        self.batchSize = batchSize
        self.passing = passing
        scratch = try Scratch(configuration: model.configuration, batchSize: batchSize)
    }

    /// Makes room for the logits of all tokens.
    /// - Throws: `AllocationError`.
    func reserveAllLogits() throws(AllocationError) {
        try scratch.reserveLogits(vocabularySize: model.configuration.vocabularySize)
    }

    /// Runs tokens through the model in batches and appends their keys and values to the cache.
    ///
    /// - Parameters:
    ///   - tokens: ids at the positions firstPosition, firstPosition + 1, ...
    ///   - request: which logits are computed.
    ///   - shouldContinue: asked before each layer; false ends the evaluation there, and what the cache has from `firstPosition` on is
    ///     of no use.
    /// - Returns: whether all was evaluated.
    /// - Precondition: ids are below vocabularySize; the cache has room for all positions; what this needs is reserved, or the system
    ///   grants it; what visits logits, or is asked whether to continue, evaluates nothing on the same compute.
    @discardableResult
    package func evaluate(
        _ tokens: UnsafeBufferPointer<Int32>, cache: KeyValueCache, _ evaluation: Evaluation,
        request: LogitsRequest, while shouldContinue: () -> Bool = { true }
    ) -> Bool {
        var start = 0
        while start < tokens.count {
            let count = min(batchSize, tokens.count - start)
            let batch = UnsafeBufferPointer(rebasing: tokens[start..<start + count])
            var part = evaluation
            part.firstPosition += start
            let lanes = Lanes(first: Lane(cache: cache, evaluation: part, rows: 0..<count))
            let isDone = compute.exclusively {
                guard runBlocks(batch, lanes, while: shouldContinue) else { return false }
                switch request {
                case .none: break
                case .last(let logits):
                    if start + count == tokens.count { computeLogits(ofRow: count - 1, into: logits) }
                case .all(let visit): computeAllLogits(count) { visit(start + $0, $1) }
                }
                return true
            }
            guard isDone else { return false }
            start += count
        }
        return true
    }

    /// Runs parts of several timelines through the model in batches that do not end where a part does: short texts then
    /// cost what long ones do. Each comes out as it would alone, bit for bit.
    ///
    /// - Parameter visit: receives the logits after each token as (index of the part, index of the token in it, logits),
    ///   in order; nil computes none.
    /// - Precondition: as for one timeline; no two parts have the same cache.
    package func evaluate(
        _ parts: [TimelinePart], visit: ((Int, Int, UnsafeBufferPointer<Float>) -> Void)?
    ) {
        var tokens: [Int32] = [], lanes: [Lane] = [], places: [(part: Int, token: Int)] = []
        func runBatch() {
            guard !tokens.isEmpty else { return }
            compute.exclusively {
                tokens.withUnsafeBufferPointer { runBlocks($0, Lanes(lanes)) }
                if let visit {
                    computeAllLogits(tokens.count) { visit(places[$0].part, places[$0].token, $1) }
                }
            }
            (tokens, lanes, places) = ([], [], [])
        }
        for (index, part) in parts.enumerated() {
            var start = 0
            while start < part.tokens.count {
                let count = min(batchSize - tokens.count, part.tokens.count - start)
                var evaluation = part.evaluation
                evaluation.firstPosition += start
                lanes.append(
                    Lane(
                        cache: part.cache, evaluation: evaluation,
                        rows: tokens.count..<tokens.count + count))
                tokens += part.tokens.dropFirst(start).prefix(count)
                places += (start..<start + count).map { (index, $0) }
                start += count
                if tokens.count == batchSize { runBatch() }
            }
        }
        runBatch()
    }

    /// Runs one token of each of two timelines through the model together: what the weights' way from memory costs is
    /// paid once. Both come out as they would alone, bit for bit.
    ///
    /// - Parameters:
    ///   - tokens: one id for each timeline.
    ///   - visit: receives the logits of both, first and second, which are valid during the call.
    /// - Precondition: as for `evaluate`; nothing is recorded.
    package func evaluatePair(
        _ tokens: UnsafeBufferPointer<Int32>, first: (cache: KeyValueCache, evaluation: Evaluation),
        second: (cache: KeyValueCache, evaluation: Evaluation),
        visit: (_ timeline: Int, _ logits: UnsafeBufferPointer<Float>) -> Void
    ) {
        precondition(tokens.count == 2 && batchSize >= 2, "evaluatePair: one token for each of two timelines")
        let lanes = Lanes(
            first: Lane(cache: first.cache, evaluation: first.evaluation, rows: 0..<1),
            second: Lane(cache: second.cache, evaluation: second.evaluation, rows: 1..<2))
        lanes.forEach { lane in
            let evaluation = lane.evaluation
            precondition(
                evaluation.recorder == nil && evaluation.headRecorder == nil && evaluation.inputs == nil,
                "evaluatePair: nothing is recorded")
        }
        compute.exclusively {
            runBlocks(tokens, lanes)
            computeAllLogits(2, visit)
        }
    }

    /// Returns whether it came to the end.
    @discardableResult
    private func runBlocks(
        _ tokens: UnsafeBufferPointer<Int32>, _ lanes: Lanes, while shouldContinue: () -> Bool = { true }
    ) -> Bool {
        let configuration = model.configuration
        let evaluation = lanes.first.evaluation
        compute.embed(
            tokens, from: model.tokenEmbedding, scale: configuration.embeddingScale, into: scratch.hidden)
        for (layer, block) in model.blocks.enumerated() {
            guard shouldContinue() else { return false }
            attend(block.attention, layer: layer, lanes)
            feedForward(block.feedForward, layer: layer, lanes)
            lanes.forEach { steer(layer: layer, $0) }
            evaluation.recorder?.record(
                layer: layer, hidden: scratch.hidden, tokenCount: tokens.count,
                firstPosition: evaluation.firstPosition)
            passing?.leave(layer: layer)
        }
        recordHeadInput(tokenCount: tokens.count, evaluation)
        if tokens.count == batchSize { hasFilledScratch = true }
        return true
    }

    /// hidden += W_O · attention(RMSNorm(hidden))
    private func attend(_ block: BlockWeights.Attention, layer: Int, _ lanes: Lanes) {
        let (query, key, value) = (scratch.query, scratch.key, scratch.value)
        let (tokenCount, evaluation) = (lanes.tokenCount, lanes.first.evaluation)

        normalize(block.norm, tokenCount, quantizing: block.readsCodes)
        record(.attention(layer), scratch.normalized, .values, tokenCount, evaluation)
        compute.multiply(
            Projection(block.query, into: query), Projection(block.key, into: key),
            Projection(block.value, into: value), by: scratch.normalized, tokenCount: tokenCount,
            before: UpcomingWeights(block.output))
        lanes.forEach { readCache(block, layer: layer, $0) }
        record(.attended(layer), scratch.attended, block.output.inputForm, tokenCount, evaluation)
        compute.multiply(
            Projection(block.output, into: scratch.update), by: scratch.attended, tokenCount: tokenCount,
            before: UpcomingWeights(model.blocks[layer].feedForward.gate))
        addToStream(
            bias: block.outputBias, norm: block.postNorm, site: .attentionOutput, layer: layer, lanes)
    }

    /// Appends a timeline's keys and values to its cache, and lets its queries read all of that.
    private func readCache(_ block: BlockWeights.Attention, layer: Int, _ lane: Lane) {
        let (configuration, evaluation) = (model.configuration, lane.evaluation)
        let (query, key, value) = (scratch.query, scratch.key, scratch.value)
        let (position, firstRow, count) = (evaluation.firstPosition, lane.rows.lowerBound, lane.rows.count)
        let angles = compute.angles(
            block.usesLocalRotary ? model.localRotary : model.rotary, position..<position + count)
        let work = block.query.rows + 4 * block.key.rows
        // A cache that rounds holds keys without their large biases.
        let separateBias = lane.cache.encoding == .float32 ? nil : block.separateKeyBias
        compute.forTokens(count, elementCount: work, firstRow: firstRow) { rows in
            positionHeads(rows, block, keyBias: separateBias?.rest ?? block.keyBias, angles)
            // Keys are cached after RoPE, so cached keys are never rotated again.
            rows.append(key: key, value: value, to: lane.cache, layer: layer, firstPosition: position)
        }
        let changesHeads = evaluation.steering.acts(at: .headOutputs, layer: layer)
        let readsHeads = changesHeads || evaluation.headRecorder != nil
        compute.attend(
            query: query, cache: lane.cache, layer: layer, firstPosition: position, tokenCount: count,
            headCount: configuration.headCount, scale: configuration.attentionScale, window: block.window,
            keyBias: separateBias, firstRow: firstRow, into: scratch.attended,
            form: readsHeads ? .values : block.output.inputForm,
            before: UpcomingWeights(block.output))
        if readsHeads { steerHeads(layer: layer, block, lane) }
    }

    /// Bias, norm of each head (Qwen 3, Gemma 3) and RoPE of queries and keys; bias of values.
    private func positionHeads(
        _ rows: TokenRows, _ block: BlockWeights.Attention, keyBias: WeightVector?, _ angles: RotaryAngles
    ) {
        let configuration = model.configuration
        let (epsilon, headSize) = (configuration.rmsNormEpsilon, configuration.headSize)
        let (heads, keyHeads) = (configuration.headCount, configuration.keyValueHeadCount)
        let (query, key) = (scratch.query, scratch.key)
        if let bias = block.queryBias { rows.addBias(bias, to: query) }
        if let keyBias { rows.addBias(keyBias, to: key) }
        if let bias = block.valueBias { rows.addBias(bias, to: scratch.value) }
        if let norm = block.queryNorm {
            rows.normalizeInPlace(query, weight: norm, epsilon: epsilon, rowsPerToken: heads)
        }
        if let norm = block.keyNorm {
            rows.normalizeInPlace(key, weight: norm, epsilon: epsilon, rowsPerToken: keyHeads)
        }
        rows.rotate(query, by: angles, headCount: heads, headSize: headSize)
        rows.rotate(key, by: angles, headCount: keyHeads, headSize: headSize)
    }

    /// hidden += W_down · (act(W_gate · x) ⊙ W_up · x), x = RMSNorm(hidden)
    private func feedForward(_ block: BlockWeights.FeedForward, layer: Int, _ lanes: Lanes) {
        let (tokenCount, evaluation) = (lanes.tokenCount, lanes.first.evaluation)
        normalize(block.norm, tokenCount, quantizing: block.readsCodes)
        record(.feedForward(layer), scratch.normalized, .values, tokenCount, evaluation)
        compute.multiplyGated(
            gate: block.gate, up: block.up, activation: model.configuration.gateActivation.kernel,
            by: scratch.normalized, tokenCount: tokenCount, into: scratch.gated, form: block.down.inputForm,
            before: UpcomingWeights(block.down))
        record(.gated(layer), scratch.gated, block.down.inputForm, tokenCount, evaluation)
        compute.multiply(
            Projection(block.down, into: scratch.update), by: scratch.gated, tokenCount: tokenCount,
            before: model.blocks.dropFirst(layer + 1).first?.attention.projections)
        addToStream(bias: nil, norm: block.postNorm, site: .feedForwardOutput, layer: layer, lanes)
    }

    /// normalized = RMSNorm(hidden), in both forms where the matrices after it read codes.
    private func normalize(_ norm: WeightVector, _ tokenCount: Int, quantizing: Bool) {
        let (hidden, normalized) = (scratch.hidden, scratch.normalized)
        compute.forTokens(tokenCount, elementCount: 4 * normalized.columns) { rows in
            rows.normalize(
                hidden, weight: norm, epsilon: model.configuration.rmsNormEpsilon, into: normalized)
            if quantizing { rows.quantize(normalized) }
        }
    }

    /// Adds a block's update to the residual stream, after its post norm (Gemma) and its steering.
    private func addToStream(
        bias: WeightVector?, norm: WeightVector?, site: SteeringProfile.Site, layer: Int, _ lanes: Lanes
    ) {
        let (update, hidden, width) = (scratch.update, scratch.hidden, model.configuration.hiddenSize)
        lanes.forEach { lane in
            let (steering, place, firstRow) = (lane.evaluation.steering, lane.place, lane.rows.lowerBound)
            compute.forTokens(lane.rows.count, elementCount: 2 * width, firstRow: firstRow) { rows in
                if let bias { rows.addBias(bias, to: update) }
                if let norm {
                    rows.normalizeInPlace(update, weight: norm, epsilon: model.configuration.rmsNormEpsilon)
                }
                steering.apply(site, layer: layer, to: update, tokens: rows.tokens, place, with: compute)
                rows.add(update, to: hidden, columns: width)
            }
        }
    }

    /// Steers the residual stream itself, behind the gates that read it.
    private func steer(layer: Int, _ lane: Lane) {
        let (steering, hidden, place) = (lane.evaluation.steering, scratch.hidden, lane.place)
        let gates = place.gates.flatMap { $0.read(after: layer) ? $0 : nil }
        guard gates != nil || steering.acts(at: .residual, layer: layer) else { return }
        let work = 2 * model.configuration.hiddenSize
        compute.forTokens(lane.rows.count, elementCount: work, firstRow: place.firstRow) { rows in
            gates?.read(
                hidden, after: layer, tokens: rows.tokens, firstPosition: place.firstPosition,
                firstRow: place.firstRow, with: compute)
            steering.apply(.residual, layer: layer, to: hidden, tokens: rows.tokens, place, with: compute)
        }
    }

    /// Steers what the heads read, in Float, and brings it into the form that the projection wants. Recorders see it as
    /// the source has it.
    private func steerHeads(layer: Int, _ block: BlockWeights.Attention, _ lane: Lane) {
        let (attended, evaluation, place) = (scratch.attended, lane.evaluation, lane.place)
        let work = 4 * attended.columns
        compute.forTokens(lane.rows.count, elementCount: work, firstRow: place.firstRow) { rows in
            evaluation.steering.apply(
                .headOutputs, layer: layer, to: attended.values, tokens: rows.tokens,
                sourceFactors: block.headFactors, place, with: compute)
            if block.output.inputForm == .codes { rows.quantize(attended) }
        }
        evaluation.headRecorder?.record(
            layer: layer, hidden: attended.values, scaledBy: block.headFactors, tokenCount: lane.rows.count,
            firstPosition: evaluation.firstPosition)
    }

    /// Shows a matrix's input to whoever gathers statistics.
    private func record(
        _ input: MatrixInput, _ x: Activations, _ form: ActivationForm, _ tokenCount: Int,
        _ evaluation: Evaluation
    ) {
        evaluation.inputs?.record(input, x, form: form, tokenCount: tokenCount)
    }

    /// The head's input of every token, also where no logits are asked for.
    private func recordHeadInput(tokenCount: Int, _ evaluation: Evaluation) {
        guard evaluation.inputs != nil else { return }
        for row in stride(from: 0, to: tokenCount, by: Scratch.headRows) {
            let count = min(Scratch.headRows, tokenCount - row)
            normalizeHeadInput(firstRow: row, count: count)
            record(.head, scratch.headNormalized, .values, count, evaluation)
        }
    }

    // MARK: - Head

    private func computeLogits(ofRow row: Int, into logits: AlignedBuffer<Float>) {
        normalizeHeadInput(firstRow: row, count: 1)
        // Now the head is mapped and the cache grows token by token; neither shall be beside the memory of a long
        // prompt, in however many calls that came.
        if hasFilledScratch, batchSize > 1 {
            scratch.release()
            hasFilledScratch = false
        }
        multiplyByHead(count: 1, into: logits)
        logits.capSoftly(count: logits.count, limit: model.configuration.finalLogitSoftcap)
    }

    private func computeAllLogits(_ count: Int, _ visit: (Int, UnsafeBufferPointer<Float>) -> Void) {
        let vocabularySize = model.configuration.vocabularySize
        let block = granted(try scratch.reserveLogits(vocabularySize: vocabularySize))
        var row = 0
        while row < count {
            let rows = min(Scratch.headRows, count - row)
            normalizeHeadInput(firstRow: row, count: rows)
            multiplyByHead(count: rows, into: block)
            block.capSoftly(count: rows * vocabularySize, limit: model.configuration.finalLogitSoftcap)
            for index in 0..<rows {
                let start = block.baseAddress + index * vocabularySize
                visit(row + index, UnsafeBufferPointer(start: start, count: vocabularySize))
            }
            row += rows
        }
    }

    private func multiplyByHead(count: Int, into output: AlignedBuffer<Float>) {
        compute.multiply(model.output, by: scratch.headNormalized, tokenCount: count, into: output)
    }

    /// headNormalized = RMSNorm(hidden) of some rows, in the forms that the head reads.
    private func normalizeHeadInput(firstRow: Int, count: Int) {
        let hiddenSize = model.configuration.hiddenSize
        scratch.headInput.copy(from: scratch.hidden, at: firstRow * hiddenSize, count: count * hiddenSize)
        compute.forTokens(count, elementCount: 4 * hiddenSize) { rows in
            rows.normalize(
                scratch.headInput, weight: model.outputNorm, epsilon: model.configuration.rmsNormEpsilon,
                into: scratch.headNormalized)
            if model.output.inputForm == .codes { rows.quantize(scratch.headNormalized) }
        }
    }
}
