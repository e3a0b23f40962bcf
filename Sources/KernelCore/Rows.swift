// SPDX-License-Identifier: Apache-2.0
// Operations on rows of Float, sixteen elements at a time. Reductions keep two vectors of partial sums and add their
// lanes in a fixed order, so that results are the same on every instruction set with fused multiply-add.

/// output[i] = x[i] · w[i] / √(Σ x² / n + ε), RMSNorm (arXiv:1910.07467).
///
/// All [n]; output may be x.
@inlinable @inline(__always)
public func normalize<ISA: InstructionSet>(
    _: ISA.Type, _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>,
    _ output: UnsafeMutablePointer<Float>,
    _ count: Int, _ epsilon: Float
) {
    let squares = dot(ISA.self, x, x, count)
    let factor = ISA.broadcast(1 / (squares / Float(count) + epsilon).squareRoot())
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        let zero = ISA.broadcast(0)
        let scaled = ISA.multiply(ISA.load(x + i, count: n, fill: zero), factor)
        ISA.store(ISA.multiply(scaled, ISA.load(weight + i, count: n, fill: zero)), to: output + i, count: n)
        i &+= laneCount
    }
}

/// Σ a[i] · b[i], both [count].
@inlinable @inline(__always)
public func dot<ISA: InstructionSet>(
    _: ISA.Type, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int
) -> Float {
    let zero = ISA.broadcast(0)
    var even = zero, odd = zero
    var i = 0
    while i &+ 2 &* laneCount <= count {
        even = ISA.multiplyAdd(ISA.load(a + i), ISA.load(b + i), even)
        odd = ISA.multiplyAdd(ISA.load(a + i + laneCount), ISA.load(b + i + laneCount), odd)
        i &+= 2 &* laneCount
    }
    while i < count {
        let n = min(laneCount, count &- i)
        even = ISA.multiplyAdd(
            ISA.load(a + i, count: n, fill: zero), ISA.load(b + i, count: n, fill: zero), even)
        i &+= laneCount
    }
    return ISA.sum(ISA.add(even, odd))
}

/// x[i] += y[i], both [count].
@inlinable @inline(__always)
public func add<ISA: InstructionSet>(
    _: ISA.Type, _ y: UnsafePointer<Float>, _ x: UnsafeMutablePointer<Float>, _ count: Int
) {
    let zero = ISA.broadcast(0)
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        let sum = ISA.add(ISA.load(x + i, count: n, fill: zero), ISA.load(y + i, count: n, fill: zero))
        ISA.store(sum, to: x + i, count: n)
        i &+= laneCount
    }
}

/// x[i] += scale · y[i], both [count].
@inlinable @inline(__always)
public func addScaled<ISA: InstructionSet>(
    _: ISA.Type, _ y: UnsafePointer<Float>, _ scale: Float, _ x: UnsafeMutablePointer<Float>, _ count: Int
) {
    let zero = ISA.broadcast(0), factor = ISA.broadcast(scale)
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        let sum = ISA.multiplyAdd(
            factor, ISA.load(y + i, count: n, fill: zero), ISA.load(x + i, count: n, fill: zero))
        ISA.store(sum, to: x + i, count: n)
        i &+= laneCount
    }
}

/// output[i] = scale · x[i], both [count].
@inlinable @inline(__always)
public func scale<ISA: InstructionSet>(
    _: ISA.Type, _ x: UnsafePointer<Float>, _ scale: Float, _ output: UnsafeMutablePointer<Float>,
    _ count: Int
) {
    let zero = ISA.broadcast(0), factor = ISA.broadcast(scale)
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        ISA.store(ISA.multiply(ISA.load(x + i, count: n, fill: zero), factor), to: output + i, count: n)
        i &+= laneCount
    }
}

/// output[i] = silu(gate[i]) · up[i], all [count].
@inlinable @inline(__always)
public func gateSilu<ISA: InstructionSet>(
    _: ISA.Type, _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>,
    _ output: UnsafeMutablePointer<Float>,
    _ count: Int
) {
    let zero = ISA.broadcast(0)
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        let activated = silu(ISA.self, ISA.load(gate + i, count: n, fill: zero))
        ISA.store(ISA.multiply(activated, ISA.load(up + i, count: n, fill: zero)), to: output + i, count: n)
        i &+= laneCount
    }
}

/// output[i] = geluTanh(gate[i]) · up[i], all [count].
@inlinable @inline(__always)
public func gateGeluTanh<ISA: InstructionSet>(
    _: ISA.Type, _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>,
    _ output: UnsafeMutablePointer<Float>,
    _ count: Int
) {
    let zero = ISA.broadcast(0)
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        let activated = geluTanh(ISA.self, ISA.load(gate + i, count: n, fill: zero))
        ISA.store(ISA.multiply(activated, ISA.load(up + i, count: n, fill: zero)), to: output + i, count: n)
        i &+= laneCount
    }
}

/// Rotates pairs (x[i], x[i + half]) of each head by one position's angles (RoPE, arXiv:2104.09864, NeoX order).
///
/// x [headCount × headSize], the first 2 · half elements of each head are rotated; cosines, sines [half].
@inlinable @inline(__always)
public func rotate<ISA: InstructionSet>(
    _: ISA.Type, _ x: UnsafeMutablePointer<Float>, _ cosines: UnsafePointer<Float>,
    _ sines: UnsafePointer<Float>, _ half: Int, _ headCount: Int, _ headSize: Int
) {
    let zero = ISA.broadcast(0)
    var i = 0
    while i < half {
        let n = min(laneCount, half &- i)
        let cosine = ISA.load(cosines + i, count: n, fill: zero)
        let sine = ISA.load(sines + i, count: n, fill: zero)
        var first = x + i
        var head = 0
        while head < headCount {
            let second = first + half
            let a = ISA.load(first, count: n, fill: zero), b = ISA.load(second, count: n, fill: zero)
            ISA.store(ISA.subtractProduct(b, sine, from: ISA.multiply(a, cosine)), to: first, count: n)
            ISA.store(ISA.multiplyAdd(a, sine, ISA.multiply(b, cosine)), to: second, count: n)
            first += headSize
            head &+= 1
        }
        i &+= laneCount
    }
}

/// x[i] = cap · tanh(x[i] / cap), x [count]: a soft cap.
@inlinable @inline(__always)
public func softcap<ISA: InstructionSet>(
    _: ISA.Type, _ x: UnsafeMutablePointer<Float>, _ cap: Float, _ count: Int
) {
    let zero = ISA.broadcast(0), factor = ISA.broadcast(cap), inverse = ISA.broadcast(1 / cap)
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        let share = ISA.multiply(ISA.load(x + i, count: n, fill: zero), inverse)
        ISA.store(ISA.multiply(hyperbolicTangent(ISA.self, share), factor), to: x + i, count: n)
        i &+= laneCount
    }
}

/// max x[i], x [count]; NaN is skipped, and the result is −∞ if every element is NaN.
@inlinable @inline(__always)
public func largest<ISA: InstructionSet>(_: ISA.Type, _ x: UnsafePointer<Float>, _ count: Int) -> Float {
    let lowest = ISA.broadcast(-.infinity)
    var result = lowest
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        result = ISA.maximum(ISA.load(x + i, count: n, fill: lowest), result)
        i &+= laneCount
    }
    return ISA.largest(result)
}

/// Σ e^(x[i] − offset), x [count].
///
/// For short rows only: sums are in Float.
@inlinable @inline(__always)
public func sumExponentials<ISA: InstructionSet>(
    _: ISA.Type, _ x: UnsafePointer<Float>, _ offset: Float, _ count: Int
) -> Float {
    let lowest = ISA.broadcast(-.infinity), offset = ISA.broadcast(offset)
    var sum = ISA.broadcast(0)
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        let difference = ISA.subtract(ISA.load(x + i, count: n, fill: lowest), offset)
        sum = ISA.add(sum, exponential(ISA.self, difference))
        i &+= laneCount
    }
    return ISA.sum(sum)
}

/// Rounds `count` Floats, a multiple of 16, to binary16.
@inlinable @inline(__always)
public func storeHalves<ISA: InstructionSet>(
    _: ISA.Type, _ x: UnsafePointer<Float>, _ output: UnsafeMutableRawPointer, _ count: Int
) {
    var i = 0
    while i < count {
        ISA.storeHalves(ISA.load(x + i), to: output + i &* 2)
        i &+= laneCount
    }
}
