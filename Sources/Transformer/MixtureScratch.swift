// SPDX-License-Identifier: Apache-2.0
// The memory in which a mixture of experts computes a batch.

import Formats
import Kernels
import Platform

/// Activations of a batch's rows, one for each token and each of its experts.
final class MixtureScratch {
    /// Logits of the router [batch × experts].
    let logits: AlignedBuffer<Float>
    let routes: ExpertRoutes
    /// What each expert reads [rows × hiddenSize].
    let input: Activations
    /// act(W_gate · x) ⊙ W_up · x [rows × intermediateSize].
    let intermediate: Activations
    /// [rows × hiddenSize]
    let output: AlignedBuffer<Float>

    /// - Throws: `AllocationError`.
    init(_ experts: LayerPlan.FeedForward.Experts, hiddenSize: Int, batchSize: Int) throws(AllocationError) {
        let rows = batchSize * experts.usedCount
        logits = try AlignedBuffer(count: batchSize * experts.count)
        routes = try ExpertRoutes(
            capacity: batchSize, expertCount: experts.count, usedCount: experts.usedCount)
        input = try Activations(capacity: rows, columns: hiddenSize)
        intermediate = try Activations(capacity: rows, columns: experts.intermediateSize)
        output = try AlignedBuffer(count: rows * hiddenSize)
    }

    /// Bytes that a full batch writes to.
    ///
    /// - form: the form that the model's projections read.
    static func byteCount(
        _ experts: LayerPlan.FeedForward.Experts, hiddenSize: Int, batchSize: Int, form: ActivationForm
    ) -> Int {
        let rows = batchSize * experts.usedCount
        func activations(_ columns: Int) -> Int {
            Activations.byteCount(
                capacity: rows, columns: columns, values: form == .values, codes: form == .codes)
        }
        return AlignedBuffer<Float>.byteCount(batchSize * experts.count)
            + ExpertRoutes.byteCount(
                capacity: batchSize, expertCount: experts.count, usedCount: experts.usedCount)
            + activations(hiddenSize) + activations(experts.intermediateSize)
            + AlignedBuffer<Float>.byteCount(rows * hiddenSize)
    }

    func allocatedByteCount(form: ActivationForm) -> Int {
        let (values, codes) = (form == .values, form == .codes)
        return logits.byteCount
            + ExpertRoutes.byteCount(
                capacity: routes.capacity, expertCount: routes.expertCount, usedCount: routes.usedCount)
            + input.byteCount(values: values, codes: codes)
            + intermediate.byteCount(values: values, codes: codes) + output.byteCount
    }

    /// Whether this is memory for such a mixture.
    func fits(_ experts: LayerPlan.FeedForward.Experts) -> Bool {
        (routes.expertCount, routes.usedCount, intermediate.columns)
            == (experts.count, experts.usedCount, experts.intermediateSize)
    }

    /// Returns the memory of all but one token's rows to the system.
    func release() {
        let rows = routes.usedCount
        input.release(after: rows)
        intermediate.release(after: rows)
        output.release(after: rows * input.columns)
    }
}

extension ModelConfiguration {
    /// The different mixtures of experts among the layers, in the order of their first layer.
    var mixtures: [LayerPlan.FeedForward.Experts] {
        var found: [LayerPlan.FeedForward.Experts] = []
        for case let experts? in layers.map(\.feedForward.experts)
        where !found.contains(where: {
            ($0.count, $0.usedCount, $0.intermediateSize)
                == (experts.count, experts.usedCount, experts.intermediateSize)
        }) { found.append(experts) }
        return found
    }
}
