// SPDX-License-Identifier: Apache-2.0
// Dense linear algebra in float64, row-major, over OpenBLAS. The library is opened when something is trained, so
// that running a model neither loads nor needs it. It computes in one thread, with kernels that are the same on all
// processors of a kind (`CoreType`): results depend neither on the number of processors nor on which one it is. Callers that
// want parallel work spread independent matrices over threads of their own.

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

/// The kernels that OpenBLAS uses, by the name of their core type, as "Haswell"; "unknown" where it does not say.
/// Results are the same to the last bit only where they are.
///
/// - Throws: as `load()`.
package func coreType() throws(LinearAlgebraError) -> String {
    try OpenBLAS.shared.get().coreType ?? "unknown"
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
