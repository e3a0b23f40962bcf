// SPDX-License-Identifier: Apache-2.0
// The instruction sets that this program was built with, and those that the processor can run.

import KernelCore
import KernelsAVX2
import KernelsAVX512
import KernelsNEON
import KernelsNEONDotProduct
import KernelsNEONMatrixProduct
import KernelsPortable
import Platform

/// The kernels of one CPU family.
package struct KernelSet: Sendable, Equatable {
    /// One of `allNames`.
    package let name: String
    package let table: KernelTable

    /// The sets that this program was built with, slowest first.
    package static var allNames: [String] {
        #if arch(x86_64)
        ["portable", "avx2", "avx512"]
        #elseif arch(arm64)
        ["portable", "neon", "neon-dotprod", "neon-i8mm"]
        #else
        ["portable"]
        #endif
    }

    /// The sets that run on this processor and system, slowest first.
    package static let available: [KernelSet] = {
        var sets = [KernelSet(name: "portable", table: portableKernels)]
        #if arch(x86_64)
        if CPUFeatures.current.hasAVX2FMA { sets.append(KernelSet(name: "avx2", table: avx2Kernels)) }
        if CPUFeatures.current.hasAVX512VNNI { sets.append(KernelSet(name: "avx512", table: avx512Kernels)) }
        #elseif arch(arm64)
        sets.append(KernelSet(name: "neon", table: neonKernels))
        if CPUFeatures.current.hasDotProduct {
            sets.append(KernelSet(name: "neon-dotprod", table: neonDotProductKernels))
        }
        if CPUFeatures.current.hasMatrixProduct {
            sets.append(KernelSet(name: "neon-i8mm", table: neonMatrixProductKernels))
        }
        #endif
        return sets
    }()

    /// The fastest set that runs here.
    package static var best: KernelSet { available[available.count - 1] }

    /// The kernel set with this name.
    /// - Throws: `KernelError` for a name that does not exist or does not run here.
    package static func named(_ name: String) throws(KernelError) -> KernelSet {
        guard let set = available.first(where: { $0.name == name }) else {
            throw KernelError(requested: name, available: available.map { $0.name })
        }
        return set
    }

    package static func == (a: KernelSet, b: KernelSet) -> Bool { a.name == b.name }
}

/// A requested kernel set does not exist or does not run here.
package struct KernelError: Error, Equatable, CustomStringConvertible {
    package let requested: String
    package let available: [String]

    package var description: String {
        let reason =
            KernelSet.allNames.contains(requested)
            ? "need instructions that this processor (or system) does not have" : "do not exist"
        return "kernels “\(requested)” \(reason); available here: \(available.joined(separator: ", "))"
    }
}
