// SPDX-License-Identifier: Apache-2.0
// A matrix of a quantized checkpoint. What MLX, GPTQ, AWQ, compressed-tensors and FP8 store are variants of one thing: codes, and
// for each group of columns a scale with a zero point or a bias.

import Formats

/// A quantized matrix [rows × columns] that is decoded row by row.
///
/// With code q, and scale s, zero point z and bias b of its group, a weight is round((q − z) · s) or q · s + b, computed in
/// Float32; products round to the type of the scales where the reference multiplies in that type.
struct QuantizedMatrix: Sendable {
    /// The group of each column.
    enum Groups: Sendable {
        case consecutive(size: Int)
        /// In the order of activations (`desc_act`, `actorder`): the group of every column.
        case listed([Int32])
    }

    let rows: Int
    let columns: Int
    let codes: NumberTable
    let scales: NumberTable
    /// Subtracted from the codes; nil for zero.
    var zeros: NumberTable?
    /// Added to the products; nil for zero.
    var biases: NumberTable?
    let groups: Groups
    let groupCount: Int
    /// Rows that share their scales: one, a block's, or all.
    var rowsPerScale = 1
    /// The type to which products are rounded.
    var rounding = NumberTable.FloatType.float32
    /// The stored row that is row 0 here, where several matrices are stored as one.
    var firstRow = 0

    /// Decodes one row.
    ///
    /// - Parameter output: [columns], written.
    /// - Precondition: the matrix has the row.
    func decode(row: Int, into output: UnsafeMutablePointer<Float>) {
        let row = firstRow + row
        codes.read(row: row, count: columns, into: output)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 3 * groupCount) { buffer in
            buffer.initialize(repeating: 0)
            guard let scale = buffer.baseAddress else { return }
            let (zero, bias) = (scale + groupCount, scale + 2 * groupCount)
            scales.read(row: row / rowsPerScale, count: groupCount, into: scale)
            zeros?.read(row: row / rowsPerScale, count: groupCount, into: zero)
            biases?.read(row: row / rowsPerScale, count: groupCount, into: bias)
            switch groups {
            case .consecutive(let size):
                for group in 0..<groupCount {
                    for column in group * size..<min((group + 1) * size, columns) {
                        output[column] =
                            rounding.rounded((output[column] - zero[group]) * scale[group]) + bias[group]
                    }
                }
            case .listed(let list):
                for column in 0..<columns {
                    let group = Int(list[column])
                    output[column] =
                        rounding.rounded((output[column] - zero[group]) * scale[group]) + bias[group]
                }
            }
        }
    }
}
