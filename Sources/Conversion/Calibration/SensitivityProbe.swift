// SPDX-License-Identifier: Apache-2.0
// Measures how a change of some weights affects a model's predictions.

import Evaluation
import Kernels
import Platform
import Tiller
import Transformer

/// Compares variants of a model with an exact model at a few positions.
struct SensitivityProbe {
    /// Earlier positions have too little context to be informative.
    private static let firstPosition = 16
    private static let largestByteCount = 64 << 20

    private let engine: Engine
    private let lists: [[Int32]]
    /// The exact model's logits [positions × vocabularySize].
    private let rows: AlignedBuffer<Float>
    private let state: SequenceState

    /// - Parameters:
    ///   - engine: runs the variants.
    ///   - exact: the reference, a model whose weights and activations are not rounded: activation rounding noise would otherwise
    ///     dominate small KL values.
    ///
    /// - Throws: `AllocationError`.
    init(_ engine: Engine, exact: Engine, lists: [[Int32]]) throws(AllocationError) {
        let configuration = engine.model.configuration
        let width = configuration.vocabularySize
        let count = max(4, Self.largestByteCount / 4 / width / max(lists.count, 1))
        self.engine = engine
        self.lists = lists.map { Array($0.prefix(Self.firstPosition + count + 1)) }
        let longest = self.lists.map(\.count).max() ?? 1
        state = try SequenceState(configuration, capacity: longest, encoding: engine.cacheEncoding)
        let rowCount = self.lists.reduce(0) { $0 + max(0, $1.count - 1 - Self.firstPosition) }
        rows = try AlignedBuffer(count: max(rowCount, 1) * width)
        let rows = rows
        let exactState = try SequenceState(configuration, capacity: longest, encoding: exact.cacheEncoding)
        let pass = try ForwardPass(model: exact.model, compute: exact.compute)
        try visit(pass, exactState) { row, logits, _ in
            guard let base = logits.baseAddress else { return }
            (rows.baseAddress + row * width).update(from: base, count: width)
        }
    }

    /// The mean KL divergence of a variant.
    /// - Throws: `AllocationError`.
    func damage(of model: Model) throws(AllocationError) -> Double {
        var divergences = RunningMean()
        let width = model.configuration.vocabularySize
        let pass = try ForwardPass(model: model, compute: engine.compute)
        try visit(pass, state) { row, logits, next in
            let reference = UnsafeBufferPointer(start: rows.baseAddress + row * width, count: width)
            divergences.add(PositionDivergence(reference: reference, model: logits, next: next).divergence)
        }
        return divergences.mean
    }

    private func visit(
        _ pass: ForwardPass, _ state: SequenceState,
        _ body: @escaping (Int, UnsafeBufferPointer<Float>, Int) -> Void
    ) throws(AllocationError) {
        try pass.reserve(contextLength: state.capacity, cache: state.encoding, allLogits: true)
        var row = 0
        for list in lists where list.count > Self.firstPosition + 1 {
            list.withUnsafeBufferPointer { tokens in
                pass.evaluate(
                    UnsafeBufferPointer(rebasing: tokens[..<Self.firstPosition]), state: state,
                    ForwardOptions(firstPosition: 0), request: .none)
                let scored = UnsafeBufferPointer(
                    rebasing: tokens[Self.firstPosition..<tokens.count - 1])
                let first = row
                pass.evaluate(
                    scored, state: state, ForwardOptions(firstPosition: Self.firstPosition),
                    request: .all { index, logits in
                        body(first + index, logits, Int(list[Self.firstPosition + index + 1]))
                    })
                row += scored.count
            }
        }
    }
}
