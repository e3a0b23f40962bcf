// SPDX-License-Identifier: Apache-2.0
// Activation-aware scaling (AWQ, arXiv 2306.00978; the same transformation as in SmoothQuant, arXiv 2211.10438): each column is
// multiplied by a factor, and the norm gain or the rows that produce its input are divided by it. The model computes the same
// function, but its weights can be rounded with less error.
//
// Rounding 32 columns with one step costs Σ_c x_c² · step² with step ∝ √(Σ_c s_c² w_c²), where s_c is the factor, x_c the root
// mean square of the unscaled input and w_c that of the weights: least for s_c = √(x_c / w_c).

import Formats
import Glibc
import Platform
import Quantization

/// One layer's matrices by role.
private typealias Tensors = [TensorRole: SourceTensor]

/// Activation-aware scaling (AWQ, SmoothQuant): factors for columns, and their inverses for the tensors that produce the columns'
/// inputs.
struct ActivationAwareScaling {
    let configuration: ModelConfiguration
    let pool: ThreadPool
    /// Tiles per matrix on which factors are evaluated.
    private static let sampledTileCount = 2
    /// The statistics of the rescaled model.
    private(set) var statistics: CalibrationStatistics
    /// By (role, layer).
    private(set) var scalings: [TensorKey: TensorScaling] = [:]
    /// Scaling of the heads' outputs relative to the source's; nil if it is unknown.
    private(set) var headScaling: HeadScaling?

    /// - Throws: `AllocationError`.
    init(_ source: ModelSource, _ statistics: CalibrationStatistics, pool: ThreadPool) throws {
        configuration = source.configuration
        self.statistics = statistics
        self.pool = pool
        headScaling = source.headScaling
        for layer in 0..<configuration.layerCount {
            let tensors = Dictionary(
                source.tensors.filter { $0.layer == layer }.map { ($0.role, $0) },
                uniquingKeysWith: { first, _ in first })
            for input in MatrixInput.all(ofLayer: layer) { try balance(input, layer, tensors) }
        }
    }

    /// Scales the columns of the matrices that read an input, and the tensors that produce that input.
    private mutating func balance(
        _ input: MatrixInput, _ layer: Int, _ tensors: Tensors
    ) throws {
        // Profiles may have been trained on heads with an unrecorded scaling: another scaling would break them.
        if case .outputProjection = input, headScaling == nil { return }
        // The residual stream itself has no producer that could absorb the factors (a layer without norms before).
        let producers = input.producers.filter { tensors[$0] != nil }
        guard !producers.isEmpty, var squares = statistics.meanSquares[input] else { return }
        let columns = squares.count
        var weightSquares = [Double](repeating: 0, count: columns)
        let readers = input.readers.filter { tensors[$0] != nil }
        let quantized = readers.compactMap { tensors[$0] }.filter { !$0.role.staysWide }
        guard !quantized.isEmpty else { return }
        for tensor in quantized {
            guard tensor.columns == columns else { return }
            let own = try columnSquares(tensor)
            let mean = own.reduce(0, +) / Double(columns)
            guard mean > 0, mean.isFinite else { return }
            for column in 0..<columns { weightSquares[column] += own[column] / mean }
        }
        let perHead = shared(input, squares.map { Double($0) }, weightSquares)
        let best = expanded(input, bestFactors(perHead.inputs, perHead.weights))
        guard let factors = try chosen(best, squares, quantized) else { return }
        let inverse = factors.map { 1 / $0 }
        for role in readers {
            scalings[TensorKey(role, layer), default: TensorScaling()].columnFactors = factors
        }
        for role in producers {
            let key = TensorKey(role, layer)
            if role.isVector {
                scalings[key, default: TensorScaling()].columnFactors = narrowed(input, inverse)
            } else {
                // Experts lie one below the other.
                let own = narrowed(input, inverse)
                let count = (tensors[role]?.rows ?? own.count) / own.count
                scalings[key, default: TensorScaling()].rowFactors = (0..<count).flatMap { _ in own }
            }
        }
        if case .outputProjection = input {
            let divisors = narrowed(input, factors)
            headScaling?.divide(layer: layer, by: divisors)
        }
        for column in 0..<columns { squares[column] *= inverse[column] * inverse[column] }
        statistics.meanSquares[input] = squares
    }

    /// √(x / w) with a geometric mean of 1 in each group, so that no group's scale drifts from the row's.
    private func bestFactors(_ inputs: [Double], _ weights: [Double]) -> [Float] {
        let inputFloor = 1e-4 * inputs.reduce(0, +) / Double(inputs.count)
        let weightFloor = 1e-4 * weights.reduce(0, +) / Double(weights.count)
        guard inputFloor > 0, weightFloor > 0 else { return inputs.map { _ in 1 } }
        var logs = zip(inputs, weights).map { x, w in
            0.25 * log(max(x, inputFloor) / max(w, weightFloor))
        }
        for start in stride(from: 0, to: logs.count, by: TensorEncoding.groupSize) {
            let group = start..<min(start + TensorEncoding.groupSize, logs.count)
            let mean = logs[group].reduce(0, +) / Double(group.count)
            for index in group { logs[index] -= mean }
        }
        return logs.map { Float(exp(max(-3, min(3, $0)))) }
    }

    /// The factors, or their roots, if they reduce the rounding error on a sample of the rows; otherwise nil.
    ///
    /// Weights that are already on a grid, as those of a quantized source, would lose it.
    private func chosen(_ best: [Float], _ squares: [Float], _ tensors: [SourceTensor]) throws -> [Float]? {
        let candidates: [[Float]?] = [nil, best.map { $0.squareRoot() }, best]
        var errors = [Double](repeating: 0, count: candidates.count)
        for tensor in tensors where tensor.columns % TensorEncoding.groupSize == 0 {
            let found = try candidates.map { try sampledError(tensor, factors: $0, squares) }
            // Relative errors, so that every matrix with this input counts.
            guard found[0] > 0 else { continue }
            for index in errors.indices { errors[index] += found[index] / found[0] }
        }
        let least = errors.indices.min { errors[$0] < errors[$1] } ?? 0
        return candidates[least]
    }

    /// Σ x² · (ŵ − w)² over some tiles in int4, in units of the unscaled weights.
    private func sampledError(_ tensor: SourceTensor, factors: [Float]?, _ squares: [Float]) throws -> Double
    {
        let columns = tensor.columns
        let tileRows = TensorEncoding.tileRows
        let tileCount = tensor.rows / tileRows
        guard tileCount > 0, let tileBytes = TensorEncoding.int4.tileByteCount(columns: columns) else {
            return 0
        }
        var scaling = scalings[TensorKey(tensor.role, tensor.layer)] ?? TensorScaling()
        scaling.columnFactors = factors
        let scaled = factors.map { zip(squares, $0).map { $0 / ($1 * $1) } } ?? squares
        let mean = scaled.reduce(0, +) / Float(columns)
        let importance = scaled.map {
            (1 - ScalingPlan.uniformShare) * $0 + ScalingPlan.uniformShare * mean
        }
        let samples = min(Self.sampledTileCount, tileCount)
        // One set per thread.
        let allRows = try AlignedBuffer<Float>(count: pool.threadCount * tileRows * columns)
        let tiles = try AlignedBuffer<UInt8>(count: pool.threadCount * tileBytes)
        let allDecoded = try AlignedBuffer<Float>(count: pool.threadCount * columns)
        var errors = [Double](repeating: 0, count: samples)
        errors.withUnsafeMutableBufferPointer { errors in
            pool.run { thread in
                let rows = allRows.baseAddress + thread * tileRows * columns
                let tile = tiles.baseAddress + thread * tileBytes
                let decoded = allDecoded.baseAddress + thread * columns
                for sample in split(samples, thread: thread, of: pool.threadCount) {
                    let first = tileCount * sample / samples * tileRows
                    for row in 0..<tileRows {
                        tensor.decode(row: first + row, scaling, into: rows + row * columns)
                    }
                    var error = QuantizationError()
                    let isEncoded: Void? = try? importance.withUnsafeBufferPointer { importance in
                        try TileCodec.encode(
                            rows: rows, validRows: tileRows, columns: columns, encoding: .int4,
                            importance: importance.baseAddress,
                            into: UnsafeMutableRawPointer(tile), error: &error)
                    }
                    // Encoding the tensor reports the error.
                    guard isEncoded != nil else { return }
                    for row in 0..<tileRows {
                        TileCodec.decodeRow(
                            row, tile: tile, columns: columns, encoding: .int4, into: decoded)
                        let own = rows + row * columns
                        for column in 0..<columns {
                            let difference = decoded[column] - own[column]
                            errors[sample] += Double(scaled[column] * difference * difference)
                        }
                    }
                }
            }
        }
        return errors.reduce(0, +)
    }

    /// Query heads that share a value head (GQA) share its factors: sums over them.
    private func shared(
        _ input: MatrixInput, _ inputs: [Double], _ weights: [Double]
    ) -> (inputs: [Double], weights: [Double]) {
        guard case .outputProjection = input else { return (inputs, weights) }
        var sums = (
            inputs: [Double](repeating: 0, count: configuration.keyValueSize),
            weights: [Double](repeating: 0, count: configuration.keyValueSize)
        )
        for column in inputs.indices {
            sums.inputs[valueRow(column)] += inputs[column]
            sums.weights[valueRow(column)] += weights[column]
        }
        return sums
    }

    private func expanded(_ input: MatrixInput, _ factors: [Float]) -> [Float] {
        guard case .outputProjection = input else { return factors }
        return (0..<configuration.querySize).map { factors[valueRow($0)] }
    }

    /// The inverse of `expanded`.
    private func narrowed(_ input: MatrixInput, _ factors: [Float]) -> [Float] {
        guard case .outputProjection = input else { return factors }
        let (headSize, shared) = (
            configuration.headSize, configuration.headCount / configuration.keyValueHeadCount
        )
        return (0..<configuration.keyValueSize).map {
            factors[$0 / headSize * shared * headSize + $0 % headSize]
        }
    }

    private func valueRow(_ column: Int) -> Int {
        let (headSize, shared) = (
            configuration.headSize, configuration.headCount / configuration.keyValueHeadCount
        )
        return column / headSize / shared * headSize + column % headSize
    }

    /// Mean squares of the columns, with the tensor's factors so far.
    private func columnSquares(_ tensor: SourceTensor) throws -> [Double] {
        let columns = tensor.columns
        let scaling = scalings[TensorKey(tensor.role, tensor.layer)]
        var sums = [Double](repeating: 0, count: pool.threadCount * columns)
        let values = try AlignedBuffer<Float>(count: pool.threadCount * columns)
        sums.withUnsafeMutableBufferPointer { sums in
            pool.run { thread in
                let own = values.baseAddress + thread * columns
                for row in split(tensor.rows, thread: thread, of: pool.threadCount) {
                    tensor.decode(row: row, scaling, into: own)
                    for column in 0..<columns {
                        sums[thread * columns + column] += Double(own[column] * own[column])
                    }
                }
            }
        }
        return (0..<columns).map { column in
            (0..<pool.threadCount).reduce(0) { $0 + sums[$1 * columns + column] } / Double(tensor.rows)
        }
    }
}
