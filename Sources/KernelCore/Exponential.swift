// SPDX-License-Identifier: Apache-2.0
// The exponential and functions derived from it, with the same operations in the same order on every instruction set.

/// eˣ, within 2 units in the last place for x in −87.3…88.3; 0 below, e^88.3 above.
///
/// x = n · ln 2 + r with |r| ≤ ½ ln 2, and eʳ = 1 + r + r² · P(r), with P of degree 4, minimax in the relative error
/// (3.1e−9). ln 2 is split so that n times its upper part is exact, with or without fused operations.
@inlinable @inline(__always)
public func exponential<ISA: InstructionSet>(_: ISA.Type, _ x: ISA.Floats) -> ISA.Floats {
    let lowest = ISA.broadcast(-87.3)
    let clamped = ISA.minimum(ISA.maximum(x, lowest), ISA.broadcast(88.3))
    let bias = ISA.broadcast(roundingBias)
    let biased = ISA.multiplyAdd(clamped, ISA.broadcast(0x1.715476p0), bias)
    let n = ISA.subtract(biased, bias)
    var r = ISA.subtractProduct(n, ISA.broadcast(0x1.63p-1), from: clamped)
    r = ISA.subtractProduct(n, ISA.broadcast(-2.121_944_4e-4), from: r)
    var p = ISA.multiplyAdd(ISA.broadcast(0x1.6a2252p-10), r, ISA.broadcast(0x1.123b06p-7))
    p = ISA.multiplyAdd(p, r, ISA.broadcast(0x1.5558f8p-5))
    p = ISA.multiplyAdd(p, r, ISA.broadcast(0x1.55549p-3))
    p = ISA.multiplyAdd(p, r, ISA.broadcast(0x1.fffffcp-2))
    p = ISA.multiplyAdd(p, ISA.multiply(r, r), r)
    p = ISA.add(p, ISA.broadcast(1))
    return ISA.zero(ISA.scale(p, byPowerOfTwoIn: biased), where: x, isBelow: lowest)
}

/// x · σ(x) = x / (1 + e⁻ˣ).
@inlinable @inline(__always)
public func silu<ISA: InstructionSet>(_: ISA.Type, _ x: ISA.Floats) -> ISA.Floats {
    let exponential = exponential(ISA.self, ISA.subtract(ISA.broadcast(0), x))
    return ISA.divide(x, ISA.add(ISA.broadcast(1), exponential))
}

/// tanh x, within a few units in the last place.
///
/// Below 5/8 it is x + x³ · P(x²), with P of degree 4 (Cephes); above, 1 − 2 / (e²ˣ + 1) cancels no digits.
@inlinable @inline(__always)
public func hyperbolicTangent<ISA: InstructionSet>(_: ISA.Type, _ x: ISA.Floats) -> ISA.Floats {
    let magnitude = ISA.magnitude(x), limit = ISA.broadcast(0.625), one = ISA.broadcast(1)
    let sum = ISA.add(exponential(ISA.self, ISA.add(x, x)), one)
    let outer = ISA.zero(
        ISA.subtract(one, ISA.divide(ISA.broadcast(2), sum)), where: magnitude, isBelow: limit)
    let square = ISA.multiply(x, x)
    var p = ISA.multiplyAdd(ISA.broadcast(-0.005_704_988_7), square, ISA.broadcast(0.020_639_089))
    p = ISA.multiplyAdd(p, square, ISA.broadcast(-0.053_739_716))
    p = ISA.multiplyAdd(p, square, ISA.broadcast(0.133_314_42))
    p = ISA.multiplyAdd(p, square, ISA.broadcast(-0.333_332_82))
    let inner = ISA.multiplyAdd(ISA.multiply(p, square), x, x)
    // The difference is positive exactly where the magnitude is below the limit.
    let isInner = ISA.subtract(limit, magnitude)
    return ISA.add(
        outer, ISA.zero(inner, where: isInner, isBelow: ISA.broadcast(.leastNormalMagnitude)))
}

/// GELU's tanh form: ½x · (1 + tanh u) = x · σ(2u) with u = √(2/π) · (x + 0.044715 x³); this form avoids cancellation.
@inlinable @inline(__always)
public func geluTanh<ISA: InstructionSet>(_: ISA.Type, _ x: ISA.Floats) -> ISA.Floats {
    let square = ISA.multiply(x, x)
    // −2u = x · (c + 0.044715 c · x²) with c = −2√(2/π)
    let factor = ISA.multiplyAdd(
        square, ISA.broadcast(-0.071_354_814), ISA.broadcast(-1.595_769_1))
    let exponential = exponential(ISA.self, ISA.multiply(x, factor))
    return ISA.divide(x, ISA.add(ISA.broadcast(1), exponential))
}
