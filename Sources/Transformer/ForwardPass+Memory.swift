// SPDX-License-Identifier: Apache-2.0
// The memory of a forward pass and its threads, before and after allocation.

import Formats
import Kernels
import Platform

extension ForwardPass {
    /// Bytes that full batches over a full context write to, besides the KV cache: activations and the threads' work areas.
    ///
    /// - Parameters:
    ///   - form: what the projections of the model read.
    ///   - separatesBiases: whether the cache may leave out key biases.
    package static func byteCount(
        configuration: ModelConfiguration, form: ActivationForm, contextLength: Int, threadCount: Int,
        separatesBiases: Bool, batchSize: Int = defaultBatchSize
    ) -> Int {
        let attention = attentionMemory(
            configuration, contextLength: contextLength, separatesBiases: separatesBiases,
            batchSize: batchSize)
        return Scratch.byteCount(configuration: configuration, batchSize: batchSize, form: form)
            + Compute.byteCount(threadCount: threadCount, attention)
    }

    private static func attentionMemory(
        _ configuration: ModelConfiguration, contextLength: Int, separatesBiases: Bool, batchSize: Int
    ) -> AttentionMemory {
        AttentionMemory(
            headCount: configuration.headCount, keyValueHeadCount: configuration.keyValueHeadCount,
            headSize: configuration.headSize, capacity: contextLength, batchSize: batchSize,
            window: configuration.largestWindow,
            pairCount: (configuration.rotaries.map(\.rotatedSize).max() ?? 0) / 2,
            rotaryTableCount: configuration.rotaries.count, separatesBiases: separatesBiases)
    }

    /// Makes room for evaluations up to the end of a context, so that they allocate nothing.
    ///
    /// - Parameter allLogits: whether a caller may request the logits of all tokens, or of two timelines.
    /// - Throws: `AllocationError`.
    package func reserve(
        contextLength: Int, cache: CacheEncoding, allLogits: Bool = false
    ) throws(AllocationError) {
        // A quantized cache holds keys without their large biases.
        let separatesBiases =
            cache != .float32 && model.blocks.contains { $0.attention?.separateKeyBias != nil }
        let attention = Self.attentionMemory(
            model.configuration, contextLength: contextLength, separatesBiases: separatesBiases,
            batchSize: batchSize)
        let tables = model.rotaryTables(contextLength: contextLength)
        try compute.exclusively { () throws(AllocationError) in
            try compute.reserve(attention, rotary: tables)
            if allLogits { try scratch.reserveLogits(vocabularySize: model.configuration.vocabularySize) }
        }
    }

    /// Bytes allocated so far, counting activations in the forms that are written.
    package func allocatedByteCount(form: ActivationForm) -> Int {
        scratch.allocatedByteCount(form: form) + compute.allocatedByteCount
    }
}
