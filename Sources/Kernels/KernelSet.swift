// SPDX-License-Identifier: Apache-2.0
// The instruction sets that this program was built with, and those that run here.

import KernelCore
import KernelsAVX2
import KernelsAVX512
import KernelsPortable
import Platform

/// The kernels of one CPU family.
package struct KernelSet: Sendable, Equatable {
    /// "portable", "avx2" or "avx512".
    package let name: String
    let table: KernelTable

    /// Those that run on this processor and system, slowest first.
    package static let available: [KernelSet] = {
        var sets = [KernelSet(name: "portable", table: portableKernels)]
        if CPUFeatures.current.hasAVX2FMA { sets.append(KernelSet(name: "avx2", table: avx2Kernels)) }
        if CPUFeatures.current.hasAVX512VNNI { sets.append(KernelSet(name: "avx512", table: avx512Kernels)) }
        return sets
    }()

    /// The fastest that runs here.
    package static var best: KernelSet { available[available.count - 1] }

    /// The set of that name.
    /// - Throws: `KernelError` for a name that does not exist or does not run here.
    package static func named(_ name: String) throws(KernelError) -> KernelSet {
        guard let set = available.first(where: { $0.name == name }) else {
            throw KernelError(requested: name, available: available.map(\.name))
        }
        return set
    }

    package static func == (a: KernelSet, b: KernelSet) -> Bool { a.name == b.name }
}

/// A kernel set was asked for that does not run here.
package struct KernelError: Error, Equatable, CustomStringConvertible {
    package let requested: String
    package let available: [String]

    package var description: String {
        let reason =
            ["portable", "avx2", "avx512"].contains(requested)
            ? "need instructions that this processor (or system) does not have" : "do not exist"
        return "kernels “\(requested)” \(reason); available here: \(available.joined(separator: ", "))"
    }
}
