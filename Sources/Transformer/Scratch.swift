// SPDX-License-Identifier: Apache-2.0
// The memory that a forward pass writes to. All of it is allocated before the first token, so no evaluation fails for lack of
// memory.

import Formats
import Glibc
import Kernels
import Platform
import Quantization

/// Activations of one batch, row-major with one row per token.
final class Scratch {
    /// Tokens whose logits are computed together when all are requested.
    static let headRows = 16

    private let batchSize: Int
    private let hasDense: Bool
    /// The residual stream [batch × hiddenSize].
    let hidden: AlignedBuffer<Float>
    /// What attention and feed-forward read: the residual stream, normalized where the layer has a norm before.
    let normalized: Activations
    /// The update that a block adds to the residual stream [batch × hiddenSize]. It shares memory with the normalized stream,
    /// whose last use comes before.
    var update: AlignedBuffer<Float> { normalized.values }
    let query, key, value: AlignedBuffer<Float>
    /// Attention's output before its projection [batch × headCount · headSize].
    let attentionOutput: Activations
    /// act(W_gate · x) ⊙ W_up · x [batch × intermediateSize].
    let intermediate: Activations
    private let mixtures: [MixtureScratch]
    /// Inputs of the gates of the heads' outputs [batch × headCount · headSize]; nil without gates.
    let attentionGate: AlignedBuffer<Float>?
    /// Nil where no layer has a convolution as its mixer.
    let convolution: ConvolutionScratch?
    let deltaRule: DeltaRuleScratch?
    let headInput: AlignedBuffer<Float>
    let headNormalized: Activations
    /// Logits of some rows [headRows × vocabularySize], for requests of all logits, which generation never makes.
    private var allLogits: AlignedBuffer<Float>?

    /// - Throws: `AllocationError`.
    init(configuration: ModelConfiguration, batchSize: Int) throws(AllocationError) {
        let widths = Widths(configuration)
        (self.batchSize, hasDense) = (batchSize, widths.hasDense)
        hidden = try AlignedBuffer(count: batchSize * widths.hidden)
        normalized = try Activations(capacity: batchSize, columns: widths.hidden)
        query = try AlignedBuffer(count: batchSize * widths.query)
        key = try AlignedBuffer(count: batchSize * widths.key)
        value = try AlignedBuffer(count: batchSize * widths.key)
        attentionOutput = try Activations(capacity: batchSize, columns: widths.query)
        intermediate = try Activations(capacity: batchSize, columns: widths.intermediate)
        var mixtures: [MixtureScratch] = []
        for experts in configuration.mixtures {
            mixtures.append(
                try MixtureScratch(experts, hiddenSize: widths.hidden, batchSize: batchSize))
        }
        self.mixtures = mixtures
        convolution =
            configuration.hasConvolutions
            ? try ConvolutionScratch(hiddenSize: widths.hidden, batchSize: batchSize) : nil
        deltaRule = try configuration.deltaRule.map { (rule) throws(AllocationError) in
            try DeltaRuleScratch(rule, batchSize: batchSize)
        }
        attentionGate =
            configuration.hasOutputGates ? try AlignedBuffer(count: batchSize * widths.query) : nil
        headInput = try AlignedBuffer(count: Self.headRows * widths.hidden)
        headNormalized = try Activations(capacity: Self.headRows, columns: widths.hidden)
    }

    /// Elements per token.
    private struct Widths {
        let hidden, query, key, intermediate: Int
        /// Whether a layer's feed-forward computes every token: otherwise that memory is never written.
        let hasDense: Bool

        init(_ configuration: ModelConfiguration) {
            hidden = configuration.hiddenSize
            query = configuration.headCount * configuration.headSize
            key = configuration.keyValueHeadCount * configuration.headSize
            intermediate = configuration.intermediateSize
            hasDense = configuration.layers.contains { $0.feedForward.experts == nil }
        }
    }

    /// Bytes that a full batch writes to. The inputs of the output and down projections exist only in the form that these read.
    ///
    /// - form: the form that the model's projections read.
    static func byteCount(configuration: ModelConfiguration, batchSize: Int, form: ActivationForm) -> Int {
        let widths = Widths(configuration), codes = form == .codes
        func activations(_ columns: Int, rows: Int, values: Bool) -> Int {
            Activations.byteCount(capacity: rows, columns: columns, values: values, codes: codes)
        }
        return AlignedBuffer<Float>.byteCount(
            batchSize * (widths.hidden + widths.query + 2 * widths.key) + headRows * widths.hidden)
            + activations(widths.hidden, rows: batchSize, values: true)
            + activations(widths.query, rows: batchSize, values: !codes)
            + (widths.hasDense ? activations(widths.intermediate, rows: batchSize, values: !codes) : 0)
            + configuration.mixtures.reduce(0) {
                $0
                    + MixtureScratch.byteCount(
                        $1, hiddenSize: widths.hidden, batchSize: batchSize, form: form)
            }
            + activations(widths.hidden, rows: headRows, values: true)
            + (configuration.hasConvolutions
                ? ConvolutionScratch.byteCount(hiddenSize: widths.hidden, batchSize: batchSize, form: form)
                : 0)
            + (configuration.deltaRule.map {
                DeltaRuleScratch.byteCount($0, batchSize: batchSize, form: form)
            } ?? 0)
            + (configuration.hasOutputGates
                ? AlignedBuffer<Float>.byteCount(batchSize * widths.query)
                    + (codes ? AlignedBuffer<Float>.byteCount(batchSize * widths.query) : 0) : 0)
    }

    /// The memory for a mixture of experts of these sizes.
    func mixture(_ experts: LayerPlan.FeedForward.Experts) -> MixtureScratch? {
        mixtures.first { $0.fits(experts) }
    }

    /// The same for the allocated buffers.
    func allocatedByteCount(form: ActivationForm) -> Int {
        let codes = form == .codes
        return hidden.byteCount + query.byteCount + key.byteCount + value.byteCount + headInput.byteCount
            + normalized.byteCount(values: true, codes: codes)
            + attentionOutput.byteCount(values: !codes, codes: codes)
            + (hasDense ? intermediate.byteCount(values: !codes, codes: codes) : 0)
            + mixtures.reduce(0) { $0 + $1.allocatedByteCount(form: form) }
            + (convolution?.allocatedByteCount(form: form) ?? 0)
            + (deltaRule?.allocatedByteCount(form: form) ?? 0)
            // With gates the heads' outputs exist as values, too.
            + (attentionGate.map { (codes ? 2 : 1) * $0.byteCount } ?? 0)
            + headNormalized.byteCount(values: true, codes: codes)
    }

    /// Returns the memory of all rows but the first to the system.
    func release() {
        hidden.release(after: hidden.count / batchSize)
        query.release(after: query.count / batchSize)
        key.release(after: key.count / batchSize)
        value.release(after: value.count / batchSize)
        for activations in [normalized, attentionOutput, intermediate] { activations.release(after: 1) }
        for mixture in mixtures { mixture.release() }
        convolution?.release()
        deltaRule?.release()
        attentionGate?.release(after: query.count / batchSize)
    }

    /// Allocates room for the logits of some rows.
    /// - Throws: `AllocationError`, the first time only.
    @discardableResult
    func reserveLogits(vocabularySize: Int) throws(AllocationError) -> AlignedBuffer<Float> {
        if let allLogits { return allLogits }
        let buffer = try AlignedBuffer<Float>(count: Self.headRows * vocabularySize)
        allLogits = buffer
        return buffer
    }
}

extension AlignedBuffer<Float> {
    /// Copies `count` elements that start at `offset` of `source` to the start of this buffer.
    func copy(from source: AlignedBuffer<Float>, at offset: Int, count: Int) {
        precondition(
            offset >= 0 && offset + count <= source.count && count <= self.count, "copy: out of range")
        baseAddress.update(from: source.baseAddress + offset, count: count)
    }

    /// x = scale · x, then limit · tanh(x / limit) where the model caps its logits (soft cap).
    func finishLogits(count: Int, _ configuration: ModelConfiguration) {
        if configuration.logitScale != 1 {
            for index in 0..<count { baseAddress[index] *= configuration.logitScale }
        }
        guard let limit = configuration.finalLogitSoftcap else { return }
        for index in 0..<count { baseAddress[index] = limit * tanhf(baseAddress[index] / limit) }
    }
}

extension ModelConfiguration {
    fileprivate var hasConvolutions: Bool { layers.contains { $0.convolution != nil } }
    fileprivate var hasOutputGates: Bool { layers.contains { $0.attention?.hasOutputGate == true } }
    /// That of the first layer with one; all are alike.
    fileprivate var deltaRule: LayerPlan.DeltaRule? { layers.lazy.compactMap(\.deltaRule).first }
}
