// SPDX-License-Identifier: Apache-2.0
// Dense linear algebra in float64, row-major, over OpenBLAS. Training opens the library; running a model
// neither loads nor needs it. It computes in one thread, with kernels that are the same on all
// processors of a kind (`CoreType`): results depend neither on the number of processors nor on the processor. Callers that
// want parallel work distribute independent matrices over threads of their own.

/// Opens OpenBLAS once; every later call returns the first call's outcome. Commands that train call
/// `LinearAlgebra.load()` before anything else, so that a missing library is reported before the work begins.
///
/// - Throws: `LinearAlgebraError.libraryMissing` or `.libraryUnsuitable`.
package func load() throws(LinearAlgebraError) {
    switch OpenBLAS.shared {
    case .success: return
    case .failure(let error): throw error
    }
}

/// The core type that names OpenBLAS's kernels, such as "Haswell"; "unknown" where OpenBLAS does not report it.
/// Results are bit-identical only between equal core types.
///
/// - Throws: as `load()`.
package func coreType() throws(LinearAlgebraError) -> String {
    try OpenBLAS.shared.get().coreType ?? "unknown"
}

/// Why a computation on a matrix failed.
package struct LinearAlgebraError: Error, Equatable, CustomStringConvertible {
    package enum Reason: Sendable {
        /// OpenBLAS is not installed.
        case libraryMissing
        /// OpenBLAS lacks a function, or uses 64-bit integers.
        case libraryUnsuitable
        /// An element is infinite or NaN.
        case notFinite
        /// No Cholesky factor exists.
        case notPositiveDefinite
        /// An iteration did not converge.
        case notConverged
    }

    package let reason: Reason
    package let description: String

    package init(_ reason: Reason, _ description: String) {
        self.reason = reason
        self.description = description
    }
}
