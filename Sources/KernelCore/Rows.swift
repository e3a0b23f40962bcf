// SPDX-License-Identifier: Apache-2.0
// Operations on rows of Float, sixteen elements at a time. Reductions keep two vectors of partial sums and add their
// lanes in a fixed order, so that they are the same on every instruction set with fused multiply-add.

/// output[i] = x[i] · w[i] / √(Σ x² / n + ε), RMSNorm (arXiv:1910.07467).
///
/// All [n]; output may be x.
@inlinable @inline(__always)
public func normalize<Set: InstructionSet>(
    _: Set.Type, _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>,
    _ output: UnsafeMutablePointer<Float>,
    _ count: Int, _ epsilon: Float
) {
    let squares = dot(Set.self, x, x, count)
    let factor = Set.broadcast(1 / (squares / Float(count) + epsilon).squareRoot())
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        let zero = Set.broadcast(0)
        let scaled = Set.multiply(Set.load(x + i, count: n, fill: zero), factor)
        Set.store(Set.multiply(scaled, Set.load(weight + i, count: n, fill: zero)), to: output + i, count: n)
        i &+= laneCount
    }
}

/// Σ a[i] · b[i], both [count].
@inlinable @inline(__always)
public func dot<Set: InstructionSet>(
    _: Set.Type, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int
) -> Float {
    let zero = Set.broadcast(0)
    var even = zero, odd = zero
    var i = 0
    while i &+ 2 &* laneCount <= count {
        even = Set.multiplyAdd(Set.load(a + i), Set.load(b + i), even)
        odd = Set.multiplyAdd(Set.load(a + i + laneCount), Set.load(b + i + laneCount), odd)
        i &+= 2 &* laneCount
    }
    while i < count {
        let n = min(laneCount, count &- i)
        even = Set.multiplyAdd(
            Set.load(a + i, count: n, fill: zero), Set.load(b + i, count: n, fill: zero), even)
        i &+= laneCount
    }
    return Set.sum(Set.add(even, odd))
}

/// x[i] += y[i], both [count].
@inlinable @inline(__always)
public func add<Set: InstructionSet>(
    _: Set.Type, _ y: UnsafePointer<Float>, _ x: UnsafeMutablePointer<Float>, _ count: Int
) {
    let zero = Set.broadcast(0)
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        let sum = Set.add(Set.load(x + i, count: n, fill: zero), Set.load(y + i, count: n, fill: zero))
        Set.store(sum, to: x + i, count: n)
        i &+= laneCount
    }
}

/// x[i] += scale · y[i], both [count].
@inlinable @inline(__always)
public func addScaled<Set: InstructionSet>(
    _: Set.Type, _ y: UnsafePointer<Float>, _ scale: Float, _ x: UnsafeMutablePointer<Float>, _ count: Int
) {
    let zero = Set.broadcast(0), factor = Set.broadcast(scale)
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        let sum = Set.multiplyAdd(
            factor, Set.load(y + i, count: n, fill: zero), Set.load(x + i, count: n, fill: zero))
        Set.store(sum, to: x + i, count: n)
        i &+= laneCount
    }
}

/// output[i] = scale · x[i], both [count].
@inlinable @inline(__always)
public func scale<Set: InstructionSet>(
    _: Set.Type, _ x: UnsafePointer<Float>, _ scale: Float, _ output: UnsafeMutablePointer<Float>,
    _ count: Int
) {
    let zero = Set.broadcast(0), factor = Set.broadcast(scale)
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        Set.store(Set.multiply(Set.load(x + i, count: n, fill: zero), factor), to: output + i, count: n)
        i &+= laneCount
    }
}

/// output[i] = silu(gate[i]) · up[i], all [count].
@inlinable @inline(__always)
public func gateSilu<Set: InstructionSet>(
    _: Set.Type, _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>,
    _ output: UnsafeMutablePointer<Float>,
    _ count: Int
) {
    let zero = Set.broadcast(0)
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        let activated = silu(Set.self, Set.load(gate + i, count: n, fill: zero))
        Set.store(Set.multiply(activated, Set.load(up + i, count: n, fill: zero)), to: output + i, count: n)
        i &+= laneCount
    }
}

/// output[i] = geluTanh(gate[i]) · up[i], all [count].
@inlinable @inline(__always)
public func gateGeluTanh<Set: InstructionSet>(
    _: Set.Type, _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>,
    _ output: UnsafeMutablePointer<Float>,
    _ count: Int
) {
    let zero = Set.broadcast(0)
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        let activated = geluTanh(Set.self, Set.load(gate + i, count: n, fill: zero))
        Set.store(Set.multiply(activated, Set.load(up + i, count: n, fill: zero)), to: output + i, count: n)
        i &+= laneCount
    }
}

/// Rotates pairs (x[i], x[i + half]) of each head by one position's angles (RoPE, arXiv:2104.09864, NeoX order).
///
/// x [headCount × headSize], the first 2 · half elements of each head are rotated; cosines, sines [half].
@inlinable @inline(__always)
public func rotate<Set: InstructionSet>(
    _: Set.Type, _ x: UnsafeMutablePointer<Float>, _ cosines: UnsafePointer<Float>,
    _ sines: UnsafePointer<Float>, _ half: Int, _ headCount: Int, _ headSize: Int
) {
    let zero = Set.broadcast(0)
    var i = 0
    while i < half {
        let n = min(laneCount, half &- i)
        let cosine = Set.load(cosines + i, count: n, fill: zero)
        let sine = Set.load(sines + i, count: n, fill: zero)
        var first = x + i
        var head = 0
        while head < headCount {
            let second = first + half
            let a = Set.load(first, count: n, fill: zero), b = Set.load(second, count: n, fill: zero)
            Set.store(Set.subtractProduct(b, sine, from: Set.multiply(a, cosine)), to: first, count: n)
            Set.store(Set.multiplyAdd(a, sine, Set.multiply(b, cosine)), to: second, count: n)
            first += headSize
            head &+= 1
        }
        i &+= laneCount
    }
}

/// max x[i], x [count]; what is not a number does not count, and −∞ where nothing does.
@inlinable @inline(__always)
public func largest<Set: InstructionSet>(_: Set.Type, _ x: UnsafePointer<Float>, _ count: Int) -> Float {
    let lowest = Set.broadcast(-.infinity)
    var result = lowest
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        result = Set.maximum(Set.load(x + i, count: n, fill: lowest), result)
        i &+= laneCount
    }
    return Set.largest(result)
}

/// Σ e^(x[i] − offset), x [count].
///
/// Meant for short rows: sums are in Float.
@inlinable @inline(__always)
public func sumExponentials<Set: InstructionSet>(
    _: Set.Type, _ x: UnsafePointer<Float>, _ offset: Float, _ count: Int
) -> Float {
    let lowest = Set.broadcast(-.infinity), offset = Set.broadcast(offset)
    var sum = Set.broadcast(0)
    var i = 0
    while i < count {
        let n = min(laneCount, count &- i)
        let difference = Set.subtract(Set.load(x + i, count: n, fill: lowest), offset)
        sum = Set.add(sum, exponential(Set.self, difference))
        i &+= laneCount
    }
    return Set.sum(sum)
}

/// Rounds `count` Floats, a multiple of 16, to binary16.
@inlinable @inline(__always)
public func storeHalves<Set: InstructionSet>(
    _: Set.Type, _ x: UnsafePointer<Float>, _ output: UnsafeMutableRawPointer, _ count: Int
) {
    var i = 0
    while i < count {
        Set.storeHalves(Set.load(x + i), to: output + i &* 2)
        i &+= laneCount
    }
}
