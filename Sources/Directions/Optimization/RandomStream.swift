// SPDX-License-Identifier: Apache-2.0
// Randomness in training: numbers, permutations and rotations that a seed determines.

import Glibc
import LinearAlgebra
import Platform

/// A random generator for training.
package struct RandomStream: RandomNumberGenerator, Sendable {
    private var generator: SplitMix64

    package init(seed: UInt64) { generator = SplitMix64(seed: seed) }

    /// An independent stream for one part of the work, so that the order of the parts does not matter.
    package init(seed: UInt64, part: Int) {
        var mixed = RandomStream(seed: UInt64(truncatingIfNeeded: part) ^ 0xA076_1D64_78BD_642F)
        self.init(seed: seed ^ mixed.next())
    }

    package mutating func next() -> UInt64 { generator.next() }

    /// Uniform in the open interval (0, 1), with 53 bits.
    package mutating func nextUnit() -> Double { (Double(next() >> 11) + 0.5) * 0x1p-53 }

    /// Uniform in 0..<count, without bias (Lemire, arXiv 1805.10941).
    /// - Precondition: `count` is positive.
    package mutating func nextIndex(below count: Int) -> Int {
        precondition(count > 0, "RandomStream: nothing to draw from")
        let bound = UInt64(count)
        var product = next().multipliedFullWidth(by: bound)
        while product.low < bound, product.low < (0 &- bound) % bound {
            product = next().multipliedFullWidth(by: bound)
        }
        return Int(product.high)
    }

    /// A standard normal value (Box and Muller).
    package mutating func nextNormal() -> Double {
        let radius = (-2 * log(nextUnit())).squareRoot()
        return radius * cos(2 * .pi * nextUnit())
    }

    /// 0..<count in random order (Fisher and Yates); the standard library's shuffle may change between its versions.
    package mutating func nextPermutation(of count: Int) -> [Int] {
        var order = Array(0..<count)
        for last in stride(from: count - 1, to: 0, by: -1) { order.swapAt(last, nextIndex(below: last + 1)) }
        return order
    }

    /// Independent standard normal values.
    package mutating func nextMatrix(rows: Int, columns: Int) -> Matrix {
        var result = Matrix(rows: rows, columns: columns)
        for index in result.values.indices { result.values[index] = nextNormal() }
        return result
    }

    /// An orthogonal matrix, uniformly distributed: U Vᵀ of the decomposition U Σ Vᵀ of a normal matrix.
    ///
    /// - Throws: errors of the decomposition.
    package mutating func nextRotation(size: Int) throws(LinearAlgebraError) -> Matrix {
        let parts = try SingularValues(of: nextMatrix(rows: size, columns: size))
        return product(parts.left, parts.rightTransposed)
    }
}
