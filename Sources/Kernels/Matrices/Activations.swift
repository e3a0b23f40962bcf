// SPDX-License-Identifier: Apache-2.0
// What a projection reads: a batch of activations in Float and, for integer weights, as 8-bit codes.

import KernelCore
import Platform
import Quantization

/// What a product reads of its input.
package enum ActivationForm: Sendable {
    /// `Activations.values`.
    case values
    /// The 8-bit form.
    case codes

    /// What products with weights of this encoding read.
    package init(readBy encoding: TensorEncoding) {
        self = encoding.isInteger ? .codes : .values
    }
}

/// Activations [capacity × columns], row-major.
///
/// Memory becomes resident where it is written: a form that nobody asks for costs nothing.
package final class Activations: @unchecked Sendable {
    /// Most tokens.
    package let capacity: Int
    package let columns: Int
    /// [capacity × columns].
    package let values: AlignedBuffer<Float>
    /// The 8-bit form [capacity × columns / 32]; only where 32 divides `columns`.
    let groups: AlignedBuffer<QuantizedGroup>?

    /// - Throws: `AllocationError`.
    /// - Precondition: both counts are positive.
    package init(capacity: Int, columns: Int) throws(AllocationError) {
        precondition(capacity > 0 && columns > 0, "Activations: sizes must be positive")
        let (count, overflow) = capacity.multipliedReportingOverflow(by: columns)
        guard !overflow else { throw AllocationError(byteCount: .max) }
        self.capacity = capacity
        self.columns = columns
        values = try AlignedBuffer(count: count)
        groups = columns % groupColumns == 0 ? try AlignedBuffer(count: count / groupColumns) : nil
    }

    /// Bytes of the forms that are written.
    package func byteCount(values: Bool, codes: Bool) -> Int {
        (values ? self.values.byteCount : 0) + (codes ? groups?.byteCount ?? 0 : 0)
    }

    /// The same of activations that do not exist yet.
    package static func byteCount(capacity: Int, columns: Int, values: Bool, codes: Bool) -> Int {
        let count = capacity * columns
        return (values ? AlignedBuffer<Float>.byteCount(count) : 0)
            + (codes && columns % groupColumns == 0
                ? AlignedBuffer<QuantizedGroup>.byteCount(count / groupColumns) : 0)
    }

    /// Gives the memory behind the first rows back to the system; what they held is lost.
    package func release(behind rows: Int) {
        values.release(behind: rows * columns)
        groups?.release(behind: rows * columns / groupColumns)
    }

    /// The code of one element, its group's scale, and the scale times the sum of the group's codes.
    /// - Precondition: the 8-bit form of this token has been written.
    package func quantized(token: Int, column: Int) -> (code: Int8, scale: Float, scaledSum: Float) {
        guard let groups else {
            preconditionFailure("Activations: no 8-bit form, 32 does not divide the columns")
        }
        precondition(token < capacity && column < columns, "Activations: out of range")
        let index = (token * columns + column) / groupColumns
        let group = groups[index]
        let code = UnsafeRawPointer(groups.baseAddress + index).load(
            fromByteOffset: column % groupColumns, as: Int8.self)
        return (code, group.scale, group.scaledSum)
    }
}
