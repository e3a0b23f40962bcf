// SPDX-License-Identifier: Apache-2.0
// Dense linear algebra in float64, row-major, over OpenBLAS. The library is opened when something is trained, so
// that running a model neither loads nor needs it. It computes in one thread: results do not depend on how many
// processors there are, and whoever wants parallel work spreads independent matrices over threads of their own.

/// Opens OpenBLAS, once; every later call returns the first one's outcome. Commands that train call
/// `LinearAlgebra.load()` before anything else, so that a missing library is reported before the work begins.
///
/// - Throws: `LinearAlgebraError.libraryMissing` or `.libraryUnsuitable`.
package func load() throws(LinearAlgebraError) {
    switch OpenBLAS.shared {
    case .success: return
    case .failure(let error): throw error
    }
}

/// Why a matrix has no answer.
package struct LinearAlgebraError: Error, Equatable, CustomStringConvertible {
    package enum Reason: Sendable {
        /// There is no OpenBLAS on this machine.
        case libraryMissing
        /// OpenBLAS lacks a function, or counts in 64 bits.
        case libraryUnsuitable
        /// An element is infinite or no number.
        case notFinite
        /// No Cholesky factor exists.
        case notPositiveDefinite
        /// An iteration did not end.
        case notConverged
    }

    package let reason: Reason
    package let description: String

    package init(_ reason: Reason, _ description: String) {
        self.reason = reason
        self.description = description
    }
}
