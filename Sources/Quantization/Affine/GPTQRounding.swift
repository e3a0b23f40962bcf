// SPDX-License-Identifier: Apache-2.0
// Inputs are correlated, so the output error of a matrix is not the sum of its columns' errors: one column can compensate
// for another. GPTQ (arXiv 2210.17323) minimizes (w − ŵ) H (w − ŵ)ᵀ with the Hessian H = E[x xᵀ] over the inputs x: it
// rounds each column from its weight plus the error propagated from earlier columns.

/// GPTQ's error propagation between the columns of a row, for one input of a model.
package struct GPTQRounding: Sendable {
    package let columns: Int
    /// The columns in rounding order.
    let order: [Int]
    /// [columns × columns], in rounding order: row k holds what place k adds per unit of error of each earlier place.
    let propagated: [Float]
    /// [columns × columns], in rounding order: H[k, l] / H[k, k], and 0 for l = k.
    let coupling: [Float]

    /// - Parameters:
    ///   - order: Every column once.
    ///   - propagated: [columns × columns]; only elements left of the diagonal are read.
    ///   - coupling: [columns × columns] with zeros on the diagonal.
    package init(order: [Int], propagated: [Float], coupling: [Float]) {
        precondition(
            propagated.count == order.count * order.count && coupling.count == propagated.count,
            "GPTQRounding: sizes differ")
        columns = order.count
        self.order = order
        self.propagated = propagated
        self.coupling = coupling
    }
}

extension GPTQRounding {
    /// Further sweeps that round every column again, with all other columns fixed.
    private static let refinementCount = 2

    /// Rounds eight rows to the grid of their groups.
    ///
    /// - Parameter codes: [columns], written.
    func round(
        _ values: borrowing LaneRows, _ rows: borrowing AffineSearch.Rows, _ search: AffineSearch,
        into codes: UnsafeMutablePointer<Float8>
    ) {
        let errors = UnsafeMutablePointer<Float8>.allocate(capacity: columns)
        errors.initialize(repeating: Float8(), count: columns)
        defer { errors.deallocate() }
        propagated.withUnsafeBufferPointer { propagated in
            coupling.withUnsafeBufferPointer { coupling in
                guard let propagated = propagated.baseAddress, let coupling = coupling.baseAddress else {
                    return
                }
                for sweep in 0...Self.refinementCount {
                    for place in 0..<columns {
                        let column = order[place]
                        let group = rows.groups[column / TensorEncoding.groupSize]
                        let s = rows.rowScale * group.scale
                        let m = rows.rowMinimum * group.minimum
                        let carriedError =
                            sweep == 0
                            ? combined(errors, propagated + place &* columns, count: place)
                            : combined(errors, coupling + place &* columns, count: columns)
                        let x = values.values[column]
                        let q = search.group.code(
                            x + carriedError, inverseScale: inverseOrZero(s), minimum: m)
                        codes[column] = q
                        errors[place] = x - (s * q - m)
                    }
                }
            }
        }
    }

    /// Σ weights · errors.
    @inline(__always)
    private func combined(
        _ errors: UnsafePointer<Float8>, _ weights: UnsafePointer<Float>, count: Int
    ) -> Float8 {
        var (a, b, c, d) = (Float8(), Float8(), Float8(), Float8())
        var index = 0
        while index &+ 4 <= count {
            a += errors[index] * weights[index]
            b += errors[index &+ 1] * weights[index &+ 1]
            c += errors[index &+ 2] * weights[index &+ 2]
            d += errors[index &+ 3] * weights[index &+ 3]
            index &+= 4
        }
        while index < count {
            a += errors[index] * weights[index]
            index &+= 1
        }
        return (a + b) + (c + d)
    }
}
