// SPDX-License-Identifier: Apache-2.0
// The input of a projection: a batch of activations in Float and, for integer weights, as 8-bit codes.

import KernelCore
import Platform
import Quantization

/// The form of its input that a product reads.
package enum ActivationForm: Sendable {
    /// `Activations.values`.
    case values
    /// The 8-bit form.
    case codes

    /// The form that products with weights of this encoding read.
    package init(readBy encoding: TensorEncoding) {
        self = encoding.isInteger ? .codes : .values
    }
}

/// Activations [capacity × columns], row-major.
///
/// Memory becomes resident when it is written: an unused form costs nothing.
package final class Activations: @unchecked Sendable {
    /// The maximum number of tokens.
    package let capacity: Int
    package let columns: Int
    /// [capacity × columns].
    package let values: AlignedBuffer<Float>
    /// The 8-bit form [capacity × columns / 32]; exists only if 32 divides `columns`.
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

    /// The same, for activations that do not exist yet.
    package static func byteCount(capacity: Int, columns: Int, values: Bool, codes: Bool) -> Int {
        let count = capacity * columns
        return (values ? AlignedBuffer<Float>.byteCount(count) : 0)
            + (codes && columns % groupColumns == 0
                ? AlignedBuffer<QuantizedGroup>.byteCount(count / groupColumns) : 0)
    }

    /// Returns the memory after the first rows to the system; its contents are lost.
    package func release(after rows: Int) {
        values.release(after: rows * columns)
        groups?.release(after: rows * columns / groupColumns)
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
