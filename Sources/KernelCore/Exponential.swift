// SPDX-License-Identifier: Apache-2.0
// The exponential and what is made of it, the same operations in the same order on every instruction set.

/// eˣ, within 2 units in the last place for x in −87.3…88.3; 0 below, e^88.3 above.
///
/// x = n · ln 2 + r with |r| ≤ ½ ln 2, and eʳ = 1 + r + r² · P(r), P of degree 4 by minimax on the relative error
/// (3.1e−9). ln 2 is split so that n times its upper part is exact, with fused operations or without.
@inlinable @inline(__always)
public func exponential<Set: InstructionSet>(_: Set.Type, _ x: Set.Floats) -> Set.Floats {
    let lowest = Set.broadcast(-87.3)
    let clamped = Set.minimum(Set.maximum(x, lowest), Set.broadcast(88.3))
    let bias = Set.broadcast(roundingBias)
    let biased = Set.multiplyAdd(clamped, Set.broadcast(0x1.715476p0), bias)
    let n = Set.subtract(biased, bias)
    var r = Set.subtractProduct(n, Set.broadcast(0x1.63p-1), from: clamped)
    r = Set.subtractProduct(n, Set.broadcast(-2.121_944_4e-4), from: r)
    var p = Set.multiplyAdd(Set.broadcast(0x1.6a2252p-10), r, Set.broadcast(0x1.123b06p-7))
    p = Set.multiplyAdd(p, r, Set.broadcast(0x1.5558f8p-5))
    p = Set.multiplyAdd(p, r, Set.broadcast(0x1.55549p-3))
    p = Set.multiplyAdd(p, r, Set.broadcast(0x1.fffffcp-2))
    p = Set.multiplyAdd(p, Set.multiply(r, r), r)
    p = Set.add(p, Set.broadcast(1))
    return Set.zero(Set.scale(p, byPowerOfTwoIn: biased), where: x, isBelow: lowest)
}

/// x · σ(x) = x / (1 + e⁻ˣ).
@inlinable @inline(__always)
public func silu<Set: InstructionSet>(_: Set.Type, _ x: Set.Floats) -> Set.Floats {
    let exponential = exponential(Set.self, Set.subtract(Set.broadcast(0), x))
    return Set.divide(x, Set.add(Set.broadcast(1), exponential))
}

/// GELU's tanh form: ½x · (1 + tanh u) = x · σ(2u) with u = √(2/π) · (x + 0.044715 x³); no digits cancel this way.
@inlinable @inline(__always)
public func geluTanh<Set: InstructionSet>(_: Set.Type, _ x: Set.Floats) -> Set.Floats {
    let square = Set.multiply(x, x)
    // −2u = x · (c + 0.044715 c · x²) with c = −2√(2/π)
    let factor = Set.multiplyAdd(
        square, Set.broadcast(-0.071_354_814), Set.broadcast(-1.595_769_1))
    let exponential = exponential(Set.self, Set.multiply(x, factor))
    return Set.divide(x, Set.add(Set.broadcast(1), exponential))
}
