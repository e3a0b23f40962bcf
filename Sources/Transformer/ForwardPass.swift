// SPDX-License-Identifier: Apache-2.0
// The forward pass, step by step as in the literature: embedding, then for each block attention and
// feed-forward around the residual stream, then norm and head.

import Formats
import Kernels
import Platform
import Steering

/// Rows of the stream that the head is asked for.
package enum LogitsRequest {
    case none
    /// The last token only: what generation needs.
    case last
    /// Every token, handed out in order as (index of the token in the batch, its logits).
    case all((_ token: Int, _ logits: UnsafeBufferPointer<Float>) -> Void)
}

/// What one evaluation reads and changes besides the model.
package struct Evaluation {
    /// Position of the first token; the cache holds everything before it.
    package var firstPosition: Int
    package var steering: SteeringPlan
    /// Whether the tokens are prompt or generated text, for profiles that steer one of them only.
    package var isPrompt: Bool
    package var recorder: ResidualRecorder?

    package init(
        firstPosition: Int, steering: SteeringPlan = .none, isPrompt: Bool = true,
        recorder: ResidualRecorder? = nil
    ) {
        self.firstPosition = firstPosition
        self.steering = steering
        self.isPrompt = isPrompt
        self.recorder = recorder
    }
}

/// Evaluates tokens with one model; owns the scratch memory.
///
/// One evaluation runs at a time: whoever shares a forward pass between threads holds a lock around it.
package final class ForwardPass: @unchecked Sendable {
    package let model: Model
    package let compute: Compute
    /// The most tokens that go through the blocks together.
    package let batchSize: Int
    /// Logits of the last token after an evaluation that asked for them [vocabularySize].
    package let logits: AlignedBuffer<Float>

    private let scratch: Scratch

    /// Tokens of a batch unless told otherwise: a full context of 2,048 then stays within 40 MB beside the file.
    /// Batches of 128 prefill a fifth faster and take 4 MB more for a model of 135M.
    package static let defaultBatchSize = 32

    package init(model: Model, compute: Compute, batchSize: Int = defaultBatchSize) {
        self.model = model
        self.compute = compute
        self.batchSize = batchSize
        logits = AlignedBuffer(count: model.configuration.vocabularySize)
        scratch = Scratch(configuration: model.configuration, batchSize: batchSize)
    }

    /// Bytes of scratch memory that a full batch touches.
    package static func scratchByteCount(configuration: ModelConfiguration, batchSize: Int = defaultBatchSize)
        -> Int
    {
        let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
        let query = configuration.headCount * configuration.headSize
        let key = configuration.keyValueHeadCount * configuration.headSize
        // Activations keep a float and an 8-bit form with two floats for each group of 32.
        let floats = 3 * hidden + 2 * query + 2 * key + 3 * intermediate
        let codes = (hidden + query + intermediate) * 5 / 4
        return batchSize * (floats * 4 + codes) + configuration.vocabularySize * 8
    }

    /// Runs tokens through the model in batches and appends their keys and values to the cache.
    ///
    /// - Parameters:
    ///   - tokens: ids at the positions firstPosition, firstPosition + 1, ...
    ///   - request: which logits are computed.
    /// - Precondition: ids are below vocabularySize; the cache has room for all positions.
    package func evaluate(
        _ tokens: UnsafeBufferPointer<Int32>, cache: KeyValueCache, _ evaluation: Evaluation,
        request: LogitsRequest
    ) {
        var start = 0
        while start < tokens.count {
            let count = min(batchSize, tokens.count - start)
            let batch = UnsafeBufferPointer(rebasing: tokens[start..<start + count])
            var part = evaluation
            part.firstPosition += start
            runBlocks(batch, cache: cache, part)
            switch request {
            case .none: break
            case .last: if start + count == tokens.count { computeLogits(ofRow: count - 1) }
            case .all(let visit): computeAllLogits(count) { visit(start + $0, $1) }
            }
            start += count
        }
    }

    private func runBlocks(
        _ tokens: UnsafeBufferPointer<Int32>, cache: KeyValueCache, _ evaluation: Evaluation
    ) {
        let configuration = model.configuration
        compute.embed(
            tokens, from: model.tokenEmbedding, scale: configuration.embeddingScale, into: scratch.hidden)
        for (layer, block) in model.blocks.enumerated() {
            attend(block.attention, layer: layer, cache: cache, tokenCount: tokens.count, evaluation)
            feedForward(block.feedForward, layer: layer, tokenCount: tokens.count, evaluation)
            steer(.residual, layer, scratch.hidden, tokens.count, evaluation)
            evaluation.recorder?.record(
                layer: layer, hidden: scratch.hidden, tokenCount: tokens.count,
                firstPosition: evaluation.firstPosition)
        }
    }

    /// hidden += W_O · attention(RMSNorm(hidden))
    private func attend(
        _ block: BlockWeights.Attention, layer: Int, cache: KeyValueCache, tokenCount: Int,
        _ evaluation: Evaluation
    ) {
        let configuration = model.configuration
        let (epsilon, headSize) = (configuration.rmsNormEpsilon, configuration.headSize)
        let (query, key, value) = (scratch.query, scratch.key, scratch.value)
        let position = evaluation.firstPosition

        compute.normalize(
            scratch.hidden, weight: block.norm, epsilon: epsilon, tokenCount: tokenCount,
            into: scratch.normalized)
        multiply(
            Projection(block.query, into: query), Projection(block.key, into: key),
            Projection(block.value, into: value), by: scratch.normalized, tokenCount: tokenCount)
        if let bias = block.queryBias { compute.addBias(bias, to: query, tokenCount: tokenCount) }
        if let bias = block.keyBias { compute.addBias(bias, to: key, tokenCount: tokenCount) }
        if let bias = block.valueBias { compute.addBias(bias, to: value, tokenCount: tokenCount) }
        if let norm = block.queryNorm {
            let rows = tokenCount * configuration.headCount
            compute.normalizeInPlace(query, weight: norm, epsilon: epsilon, rowCount: rows)
        }
        if let norm = block.keyNorm {
            let rows = tokenCount * configuration.keyValueHeadCount
            compute.normalizeInPlace(key, weight: norm, epsilon: epsilon, rowCount: rows)
        }
        let table = block.usesLocalRotary ? model.localRotary : model.rotary
        compute.rotate(
            query, table: table, firstPosition: position, tokenCount: tokenCount,
            headCount: configuration.headCount, headSize: headSize)
        compute.rotate(
            key, table: table, firstPosition: position, tokenCount: tokenCount,
            headCount: configuration.keyValueHeadCount, headSize: headSize)
        // Keys are cached after RoPE, so cached keys are never rotated again.
        compute.append(
            key: key, value: value, to: cache, layer: layer, firstPosition: position, tokenCount: tokenCount)
        compute.attend(
            query: query, cache: cache, layer: layer, firstPosition: position, tokenCount: tokenCount,
            headCount: configuration.headCount, scale: configuration.attentionScale, window: block.window,
            into: scratch.attended)
        multiply(Projection(block.output, into: scratch.update), by: scratch.attended, tokenCount: tokenCount)
        if let bias = block.outputBias { compute.addBias(bias, to: scratch.update, tokenCount: tokenCount) }
        addToStream(
            block.postNorm, site: .attentionOutput, layer: layer, tokenCount: tokenCount, evaluation)
    }

    /// hidden += W_down · (act(W_gate · x) ⊙ W_up · x), x = RMSNorm(hidden)
    private func feedForward(
        _ block: BlockWeights.FeedForward, layer: Int, tokenCount: Int, _ evaluation: Evaluation
    ) {
        compute.normalize(
            scratch.hidden, weight: block.norm, epsilon: model.configuration.rmsNormEpsilon,
            tokenCount: tokenCount, into: scratch.normalized)
        multiply(
            Projection(block.gate, into: scratch.gate), Projection(block.up, into: scratch.up),
            by: scratch.normalized, tokenCount: tokenCount)
        compute.gate(
            scratch.gate, scratch.up, activation: model.configuration.gateActivation.kernel,
            tokenCount: tokenCount, into: scratch.gated)
        multiply(Projection(block.down, into: scratch.update), by: scratch.gated, tokenCount: tokenCount)
        addToStream(
            block.postNorm, site: .feedForwardOutput, layer: layer, tokenCount: tokenCount, evaluation)
    }

    /// Adds a block's update to the residual stream, after its post norm (Gemma) and its steering.
    private func addToStream(
        _ postNorm: WeightVector?, site: SteeringProfile.Site, layer: Int, tokenCount: Int,
        _ evaluation: Evaluation
    ) {
        let configuration = model.configuration
        if let postNorm {
            compute.normalizeInPlace(
                scratch.update, weight: postNorm, epsilon: configuration.rmsNormEpsilon, rowCount: tokenCount)
        }
        steer(site, layer, scratch.update, tokenCount, evaluation)
        compute.add(scratch.update, to: scratch.hidden, count: tokenCount * configuration.hiddenSize)
    }

    private func steer(
        _ site: SteeringProfile.Site, _ layer: Int, _ x: AlignedBuffer<Float>, _ tokenCount: Int,
        _ evaluation: Evaluation
    ) {
        evaluation.steering.apply(
            site, layer: layer, to: x, tokenCount: tokenCount, isPrompt: evaluation.isPrompt, with: compute)
    }

    /// output = W · x; integer weights read the 8-bit form of x, which is made here once for all of them.
    private func multiply(
        _ a: Projection, _ b: Projection? = nil, _ c: Projection? = nil, by x: Activations, tokenCount: Int
    ) {
        if a.readsCodes || b?.readsCodes == true || c?.readsCodes == true {
            compute.quantize(x, tokenCount: tokenCount)
        }
        compute.multiply(a, b, c, by: x, tokenCount: tokenCount)
    }

    // MARK: - Head

    private func computeLogits(ofRow row: Int) {
        computeHead(firstRow: row, count: 1, into: logits)
        logits.capSoftly(count: logits.count, limit: model.configuration.finalLogitSoftcap)
    }

    private func computeAllLogits(_ count: Int, _ visit: (Int, UnsafeBufferPointer<Float>) -> Void) {
        let vocabularySize = model.configuration.vocabularySize
        let block = scratch.headLogits(rows: Scratch.headRows, vocabularySize: vocabularySize)
        var row = 0
        while row < count {
            let rows = min(Scratch.headRows, count - row)
            computeHead(firstRow: row, count: rows, into: block)
            block.capSoftly(count: rows * vocabularySize, limit: model.configuration.finalLogitSoftcap)
            for index in 0..<rows {
                let start = block.baseAddress + index * vocabularySize
                visit(row + index, UnsafeBufferPointer(start: start, count: vocabularySize))
            }
            row += rows
        }
    }

    private func computeHead(firstRow: Int, count: Int, into output: AlignedBuffer<Float>) {
        let hiddenSize = model.configuration.hiddenSize
        scratch.headInput.copy(from: scratch.hidden, at: firstRow * hiddenSize, count: count * hiddenSize)
        compute.normalize(
            scratch.headInput, weight: model.outputNorm, epsilon: model.configuration.rmsNormEpsilon,
            tokenCount: count, into: scratch.headNormalized)
        multiply(Projection(model.output, into: output), by: scratch.headNormalized, tokenCount: count)
    }
}
