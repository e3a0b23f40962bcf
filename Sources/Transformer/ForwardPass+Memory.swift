// SPDX-License-Identifier: Apache-2.0
// The memory of a forward pass and its threads, before it exists and when it does.

import Formats
import Kernels

extension ForwardPass {
    /// Bytes that full batches over a full context write to, besides the cache: activations, and what threads work in.
    ///
    /// - Parameters:
    ///   - form: what the projections of the model read.
    ///   - separatesBiases: whether the cache may leave biases of keys out.
    package static func byteCount(
        configuration: ModelConfiguration, form: ActivationForm, contextLength: Int, threadCount: Int,
        separatesBiases: Bool, batchSize: Int = defaultBatchSize
    ) -> Int {
        // Where some layers see everything, they decide.
        let window = configuration.slidingWindowPattern == nil ? configuration.slidingWindow : nil
        let attention = AttentionMemory(
            headCount: configuration.headCount, keyValueHeadCount: configuration.keyValueHeadCount,
            headSize: configuration.headSize, capacity: contextLength, batchSize: batchSize, window: window,
            pairCount: configuration.headSize / 2,
            rotaryTableCount: configuration.localRopeTheta == nil ? 1 : 2, separatesBiases: separatesBiases)
        return Scratch.byteCount(configuration: configuration, batchSize: batchSize, form: form)
            + Compute.byteCount(threadCount: threadCount, attention)
    }

    /// Bytes that are allocated by now, of activations in the forms that are written.
    package func allocatedByteCount(form: ActivationForm) -> Int {
        scratch.allocatedByteCount(form: form) + compute.allocatedByteCount
    }
}
