// SPDX-License-Identifier: Apache-2.0
// Which of OpenBLAS's kernels compute. Builds for many processors (DYNAMIC_ARCH, as distributions have them) choose kernels by
// the processor they find, and every choice adds in an order of its own. Here the choice is made before the library is
// opened, and it is the same for all processors of a kind, so that results are too.

import Glibc
import Platform

/// A family of processors, by OpenBLAS's name of it.
package enum CoreType {
    /// What OpenBLAS reads the name from when it is opened. A name that is already there stays: it is the user's.
    package static let variable = "OPENBLAS_CORETYPE"

    /// The kernels that every processor of this one's kind can run: x86-64 with AVX2 and FMA, any other x86-64, 64-bit
    /// ARM; nil where OpenBLAS is left to choose.
    package static func common(to features: CPUFeatures = .current) -> String? {
        #if arch(x86_64)
        features.hasAVX2FMA ? "Haswell" : "Prescott"
        #elseif arch(arm64)
        "ARMV8"
        #else
        nil
        #endif
    }

    /// Whether a processor has the instructions of these kernels, as far as they are known to need any.
    package static func canRun(_ name: String, on features: CPUFeatures = .current) -> Bool {
        switch name.lowercased() {
        case "skylakex", "cooperlake", "sapphirerapids": features.hasAVX512
        case "haswell", "zen": features.hasAVX2FMA
        default: true
        }
    }

    /// Runs `body`, which opens the library, with the name in the environment where the user has set none.
    static func whileChosen<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure)
        -> Value
    {
        guard getenv(variable) == nil, let name = common() else { return try body() }
        setenv(variable, name, 0)
        defer { unsetenv(variable) }
        return try body()
    }
}
