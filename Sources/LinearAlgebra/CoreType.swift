// SPDX-License-Identifier: Apache-2.0
// The choice of OpenBLAS's kernels. Builds for many processors (DYNAMIC_ARCH, as distributions ship them) choose kernels by
// the detected processor, and each kernel adds in its own order. This code makes the choice before the library is opened,
// the same one for all processors of a kind, so that their results are equal too.

import Glibc
import Platform

/// A family of processors, by its name in OpenBLAS.
package enum CoreType {
    /// OpenBLAS reads the name from this environment variable when it is opened. A value that the user has set stays.
    package static let variable = "OPENBLAS_CORETYPE"

    /// The kernels that every processor of this kind can run: x86-64 with AVX2 and FMA, any other x86-64, 64-bit
    /// ARM; nil where OpenBLAS chooses.
    package static func common(to features: CPUFeatures = .current) -> String? {
        #if arch(x86_64)
        features.hasAVX2FMA ? "Haswell" : "Prescott"
        #elseif arch(arm64)
        "ARMV8"
        #else
        nil
        #endif
    }

    /// Whether a processor has the instructions that these kernels are known to need.
    package static func canRun(_ name: String, on features: CPUFeatures = .current) -> Bool {
        switch name.lowercased() {
        case "skylakex", "cooperlake", "sapphirerapids": features.hasAVX512
        case "haswell", "zen": features.hasAVX2FMA
        default: true
        }
    }

    /// Runs `body`, which opens the library, with the name in the environment unless the user has set one.
    static func whileChosen<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure)
        -> Value
    {
        guard getenv(variable) == nil, let name = common() else { return try body() }
        setenv(variable, name, 0)
        defer { unsetenv(variable) }
        return try body()
    }
}
