// SPDX-License-Identifier: Apache-2.0
// The Hessian of GPTQ: H = E[x xᵀ] of the matrices' inputs x, over some texts.

import Formats
import LinearAlgebra
import Tiller
import Transformer

/// Accumulates the Hessians H = E[x xᵀ] of the given inputs x.
final class InputHessian {
    /// Rows accumulated in Double before they are added to the sums.
    private static let chunkRows = 128

    /// The sum over one input's rows so far.
    private final class Sum {
        /// The lower triangle of Σ x xᵀ, row by row: the Hessians of all layers dominate the memory.
        private(set) var triangle: [Float]
        private var chunk: Matrix
        private var filled = 0

        init(columns: Int) {
            triangle = Array(repeating: 0, count: columns * (columns + 1) / 2)
            chunk = Matrix(rows: InputHessian.chunkRows, columns: columns)
        }

        func add(_ row: UnsafePointer<Float>, share: Float) {
            let (columns, weight) = (chunk.columns, Double(share.squareRoot()))
            let start = filled * columns
            chunk.values.withUnsafeMutableBufferPointer { values in
                for column in 0..<columns { values[start + column] = Double(row[column]) * weight }
            }
            filled += 1
            if filled == chunk.rows { flush() }
        }

        func flush() {
            guard filled > 0 else { return }
            let columns = chunk.columns
            for index in filled * columns..<chunk.values.count { chunk.values[index] = 0 }
            let own = gram(chunk).values
            var place = 0
            for row in 0..<columns {
                for column in 0...row { triangle[place + column] += Float(own[row * columns + column]) }
                place += row + 1
            }
            filled = 0
        }
    }

    private var sums: [MatrixInput: Sum] = [:]
    private var tokenCount = 0

    /// Bytes of the Hessian of an input with this many columns.
    static func byteCount(columns: Int) -> Int { 2 * columns * (columns + 1) }

    init(_ inputs: [MatrixInput], _ configuration: ModelConfiguration) {
        for input in inputs { sums[input] = Sum(columns: input.columns(in: configuration)) }
    }

    /// Adds the inputs of a model's matrices on some texts.
    ///
    /// - Parameter progress: called with the number of texts done; false stops.
    /// - Throws: `CancellationError` when stopped.
    func add(_ lists: [[Int32]], _ engine: Engine, progress: (Int) -> Bool) throws {
        let recorder = InputRecorder(configuration: engine.model.configuration)
        recorder.onRow = { [sums] input, row, share in sums[input]?.add(row, share: share) }
        let session = try engine.makeSession(contextLength: CalibrationSource.contextLength)
        for (index, list) in lists.enumerated() {
            guard progress(index) else { throw CancellationError() }
            session.record(list, with: recorder)
            tokenCount += list.count
        }
        for sum in sums.values { sum.flush() }
    }

    /// The Hessian of an input whose columns are divided by factors; nil for an input that was not recorded.
    func matrix(_ input: MatrixInput, factors: [Float]?) -> Matrix? {
        guard let triangle = sums[input]?.triangle else { return nil }
        let columns = Int((2 * Double(triangle.count)).squareRoot())
        let scale = 1 / Double(max(tokenCount, 1))
        let inverse = (0..<columns).map { 1 / Double(factors?[$0] ?? 1) }
        var values = [Double](repeating: 0, count: columns * columns)
        var place = 0
        for row in 0..<columns {
            for column in 0...row {
                let value = Double(triangle[place + column]) * scale * inverse[row] * inverse[column]
                values[row * columns + column] = value
                values[column * columns + row] = value
            }
            place += row + 1
        }
        return Matrix(rows: columns, columns: columns, values: values)
    }
}
