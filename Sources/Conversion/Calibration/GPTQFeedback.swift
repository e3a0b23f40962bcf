// SPDX-License-Identifier: Apache-2.0
// GPTQ (arXiv 2210.17323) for each 4-bit matrix of a conversion, where it helps on held-out text.

import Formats
import LinearAlgebra
import Platform
import Quantization
import Tiller

/// Computes GPTQ rounding from the inputs of a model's matrices on some texts.
///
/// Each matrix's Hessian takes a few megabytes. The Hessians of consecutive matrices are accumulated together, as many as fit in
/// memory (a window), and the texts run again for the next window.
final class GPTQFeedback {
    /// Limit on the bytes of the Hessians of one window.
    private static let largestByteCount = 640 << 20
    /// Matrices with wider inputs are rounded without GPTQ: their Hessian alone would be larger than many models.
    private static let largestColumnCount = 6144
    /// Tiles of each matrix on which GPTQ is tested.
    private static let sampledTileCount = 6

    private let engine: Engine
    private let lists, heldLists: [[Int32]]
    private let pool: ThreadPool
    private let progress: (Int, Int) -> Bool
    /// Hessians of the same inputs, on calibration and on held-out texts.
    private var moments, held: InputHessian?
    private var window: Set<MatrixInput> = []
    /// Number of texts read so far; each counts once per window.
    private var readCount = 0
    /// The most recent result, shared by matrices with the same input.
    private var known: (input: MatrixInput, feedback: GPTQRounding)?
    /// Number of matrices tested, and of those rounded with GPTQ.
    private(set) var triedCount = 0, takenCount = 0

    /// - Parameters:
    ///   - lists: tokens of the calibration texts.
    ///   - heldLists: tokens of the held-out texts that decide where GPTQ is used.
    ///   - progress: called with (texts read, texts to read in all), each counted once per window; false stops.
    init(
        _ engine: Engine, lists: [[Int32]], heldLists: [[Int32]], threadCount: Int,
        progress: @escaping (Int, Int) -> Bool
    ) {
        self.engine = engine
        self.lists = lists
        self.heldLists = heldLists
        self.progress = progress
        pool = ThreadPool(threadCount: threadCount)
    }

    /// The GPTQ rounding of a matrix; nil if its weights are rounded independently.
    ///
    /// - Parameter index: index of a tensor in the plan; calls come in ascending order.
    func feedback(for index: Int, of plan: TensorPlan) throws -> GPTQRounding? {
        let tensor = plan.tensors[index]
        guard let input = input(of: tensor) else { return nil }
        if !window.contains(input) { try lookAhead(plan.tensors[index...]) }
        guard let moments = moments?.matrix(input, factors: tensor.columnFactors),
            let held = held?.matrix(input, factors: tensor.columnFactors)
        else { return nil }
        let feedback: GPTQRounding
        if let known, known.input == input {
            feedback = known.feedback
        } else {
            feedback = try GPTQRounding(moments: moments)
            known = (input, feedback)
        }
        let plain = try tensor.sampledErrors(
            tileCount: Self.sampledTileCount, feedback: nil, pool: pool)
        let fed = try tensor.sampledErrors(
            tileCount: Self.sampledTileCount, feedback: feedback, pool: pool)
        triedCount += 1
        guard Self.damage(fed, held) < Self.damage(plain, held) else { return nil }
        takenCount += 1
        return feedback
    }

    /// For the summary.
    var remark: String {
        "GPTQ reduces the error of \(takenCount) of \(triedCount) matrices on held-out text"
    }

    private func input(of tensor: PlannedTensor) -> MatrixInput? {
        let configuration = engine.model.configuration
        guard let input = tensor.feedbackInput(in: configuration),
            input.columns(in: configuration) <= Self.largestColumnCount
        else { return nil }
        return input
    }

    /// Accumulates the Hessians of the next matrices' inputs.
    private func lookAhead(_ tensors: ArraySlice<PlannedTensor>) throws {
        let configuration = engine.model.configuration
        let windows = windows(tensors)
        let inputs = windows.first ?? []
        (moments, held, known) = (nil, nil, nil)
        window = Set(inputs)
        let moments = InputHessian(inputs, configuration), held = InputHessian(inputs, configuration)
        let before = readCount
        let total = before + windows.count * (lists.count + heldLists.count)
        try moments.add(lists, engine) { progress(before + $0, total) }
        try held.add(heldLists, engine) { progress(before + lists.count + $0, total) }
        readCount += lists.count + heldLists.count
        guard progress(readCount, total) else { throw CancellationError() }
        (self.moments, self.held) = (moments, held)
    }

    /// The matrices' inputs, in groups whose Hessians fit in memory together.
    private func windows(_ tensors: ArraySlice<PlannedTensor>) -> [[MatrixInput]] {
        var windows: [[MatrixInput]] = []
        var byteCount = 0
        for input in tensors.compactMap({ self.input(of: $0) })
        where windows.last?.contains(input) != true {
            let needed = 2 * InputHessian.byteCount(columns: input.columns(in: engine.model.configuration))
            byteCount += needed
            if windows.isEmpty || byteCount > Self.largestByteCount {
                windows.append([])
                byteCount = needed
            }
            windows[windows.count - 1].append(input)
        }
        return windows
    }

    /// Σ e H eᵀ over rows of errors e.
    private static func damage(_ errors: [Float], _ moments: Matrix) -> Double {
        let rows = Matrix(
            rows: errors.count / moments.rows, columns: moments.rows, values: errors.map { Double($0) })
        return dotProduct(rows.values, product(rows, moments).values)
    }
}

extension GPTQRounding {
    /// Share of H replaced by the mean of its diagonal (damping): other texts have other moments.
    private static let uniformShare = 0.2

    /// GPTQ rounding for inputs with the Hessian H.
    ///
    /// Columns with the largest diagonal are rounded first, while other columns remain that can compensate. Let H = Rᵀ R, with
    /// the columns in rounding order and R lower triangular. The error is then the sum over k of (Σ_l R[k, l] (w − ŵ)[l])²: the
    /// errors of the columns l before k determine the correction of column k.
    /// - Throws: `LinearAlgebraError` if H is not finite, or all zero.
    package init(moments: Matrix) throws {
        let size = moments.rows
        let diagonal = (0..<size).map { moments.values[$0 * size + $0] }
        let mean = diagonal.reduce(0, +) / Double(max(size, 1))
        let order = (0..<size).sorted { (diagonal[$0], $1) > (diagonal[$1], $0) }
        // R is the opposite triangle to Cholesky's, so the order is reversed.
        var reversed = Matrix(rows: size, columns: size)
        for row in 0..<size {
            let from = order[size - 1 - row] * size
            for column in 0..<size {
                reversed.values[row * size + column] =
                    (1 - Self.uniformShare) * moments.values[from + order[size - 1 - column]]
            }
            reversed.values[row * size + row] += Self.uniformShare * mean
        }
        let factor = try CholeskyFactor(of: reversed).factor.values
        var propagated = [Float](repeating: 0, count: size * size)
        var coupling = propagated
        for k in 0..<size {
            let row = size - 1 - k
            let (own, square) = (1 / factor[row * size + row], 1 / reversed.values[row * size + row])
            for l in 0..<k { propagated[k * size + l] = Float(factor[(size - 1 - l) * size + row] * own) }
            for l in 0..<size where l != k {
                coupling[k * size + l] = Float(reversed.values[row * size + size - 1 - l] * square)
            }
        }
        self.init(order: order, propagated: propagated, coupling: coupling)
    }
}
