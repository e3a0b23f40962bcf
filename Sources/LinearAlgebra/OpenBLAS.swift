// SPDX-License-Identifier: Apache-2.0
// The functions of BLAS and LAPACK under their Fortran names. Every argument is a pointer. Matrices are
// column-major, so a row-major matrix is read as its transpose. Lengths of strings follow after all other arguments.

import Glibc

struct OpenBLAS: Sendable {
    typealias Text = UnsafePointer<CChar>
    typealias Count = UnsafePointer<Int32>
    typealias Number = UnsafePointer<Double>
    typealias Output = UnsafeMutablePointer<Double>
    typealias CountOutput = UnsafeMutablePointer<Int32>

    /// C = α op(A) op(B) + β C.
    let dgemm:
        @convention(c) (
            Text, Text, Count, Count, Count, Number, Number, Count, Number, Count, Number, Output, Count,
            Int, Int
        ) -> Void
    /// y = α op(A) x + β y.
    let dgemv:
        @convention(c) (
            Text, Count, Count, Number, Number, Count, Number, Count, Number, Output, Count, Int
        ) -> Void
    /// One triangle of C = α op(A) op(A)ᵀ + β C.
    let dsyrk:
        @convention(c) (
            Text, Text, Count, Count, Number, Number, Count, Number, Output, Count, Int, Int
        ) -> Void
    /// B := op(T)⁻¹ B or B op(T)⁻¹ for a triangle T.
    let dtrsm:
        @convention(c) (
            Text, Text, Text, Text, Count, Count, Number, Number, Count, Output, Count, Int, Int, Int, Int
        ) -> Void
    /// A = L Lᵀ.
    let dpotrf: @convention(c) (Text, Count, Output, Count, CountOutput, Int) -> Void
    /// All eigenvalues and eigenvectors of a symmetric matrix, by divide and conquer.
    let dsyevd:
        @convention(c) (
            Text, Text, Count, Output, Count, Output, Output, Count, CountOutput, Count, CountOutput, Int, Int
        ) -> Void
    /// Some eigenvalues and eigenvectors, by relatively robust representations.
    let dsyevr:
        @convention(c) (
            Text, Text, Text, Count, Output, Count, Number, Number, Count, Count, Number, CountOutput, Output,
            Output, Count, CountOutput, Output, Count, CountOutput, Count, CountOutput, Int, Int, Int
        ) -> Void
    /// A = U Σ Vᵀ, by divide and conquer.
    let dgesdd:
        @convention(c) (
            Text, Count, Count, Output, Count, Output, Output, Count, Output, Count, Output, Count,
            CountOutput, CountOutput, Int
        ) -> Void
    /// The same, by implicit QR iteration.
    let dgesvd:
        @convention(c) (
            Text, Text, Count, Count, Output, Count, Output, Output, Count, Output, Count, Output, Count,
            CountOutput, Int, Int
        ) -> Void

    /// The core type that names the kernels in use; nil where the library does not report it.
    let coreType: String?

    /// The library, opened on first use.
    static let shared = Result { () throws(LinearAlgebraError) in try OpenBLAS() }

    /// The library, for functions that cannot fail otherwise.
    /// - Precondition: `LinearAlgebra.load()` succeeds.
    static var loaded: OpenBLAS {
        switch shared {
        case .success(let library): return library
        case .failure(let error): preconditionFailure(error.description)
        }
    }

    private init() throws(LinearAlgebraError) {
        let handle = try CoreType.whileChosen { () throws(LinearAlgebraError) in
            try OpenBLASFile.open()
        }
        func find<Function>(_ name: String, as type: Function.Type) throws(LinearAlgebraError) -> Function {
            guard let address = dlsym(handle, name) else {
                throw LinearAlgebraError(.libraryUnsuitable, "the installed OpenBLAS has no function \(name)")
            }
            return unsafeBitCast(address, to: type)
        }
        let configuration = try find(
            "openblas_get_config", as: (@convention(c) () -> UnsafePointer<CChar>?).self)
        let text = configuration().map { String(cString: $0) } ?? ""
        guard !text.split(separator: " ").contains("USE64BITINT") else {
            throw LinearAlgebraError(
                .libraryUnsuitable, "the installed OpenBLAS has 64-bit integers (\(text)); expected 32")
        }
        let coreName = dlsym(handle, "openblas_get_corename").map {
            unsafeBitCast($0, to: (@convention(c) () -> UnsafePointer<CChar>?).self)
        }
        coreType = coreName?().map { String(cString: $0) }
        if let coreType, !CoreType.canRun(coreType) {
            throw LinearAlgebraError(
                .libraryUnsuitable,
                "OpenBLAS is to use its \(coreType) kernels (\(CoreType.variable)), which this processor cannot run"
            )
        }
        try find("openblas_set_num_threads", as: (@convention(c) (Int32) -> Void).self)(1)

        dgemm = try find("dgemm_", as: Swift.type(of: dgemm))
        dgemv = try find("dgemv_", as: Swift.type(of: dgemv))
        dsyrk = try find("dsyrk_", as: Swift.type(of: dsyrk))
        dtrsm = try find("dtrsm_", as: Swift.type(of: dtrsm))
        dpotrf = try find("dpotrf_", as: Swift.type(of: dpotrf))
        dsyevd = try find("dsyevd_", as: Swift.type(of: dsyevd))
        dsyevr = try find("dsyevr_", as: Swift.type(of: dsyevr))
        dgesdd = try find("dgesdd_", as: Swift.type(of: dgesdd))
        dgesvd = try find("dgesvd_", as: Swift.type(of: dgesvd))
    }
}

/// A size as a BLAS integer. It is an array because Swift passes an array's address for the duration of a call.
/// - Precondition: it has at most 31 bits.
func asCount(_ value: Int) -> [Int32] {
    guard let count = Int32(exactly: value) else {
        preconditionFailure("a matrix of \(value) rows or columns")
    }
    return [count]
}
