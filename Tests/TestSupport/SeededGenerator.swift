// SPDX-License-Identifier: Apache-2.0
// SplitMix64: a seeded generator, so that every random test can be repeated.

import Glibc

/// A small deterministic random number generator (Steele et al. 2014).
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A standard normal value (Box-Muller).
    package mutating func nextNormal() -> Float {
        let u = Double(next() >> 11) * 0x1p-53 + 0x1p-54
        let v = Double(next() >> 11) * 0x1p-53
        return Float((-2 * log(u)).squareRoot() * cos(2 * .pi * v))
    }
}

/// How many mutations of each kind are tried: `TILLER_MUTATIONS`, or a few hundred.
package let mutationCount = getenv("TILLER_MUTATIONS").flatMap { Int(String(cString: $0)) } ?? 300
