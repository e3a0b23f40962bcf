// SPDX-License-Identifier: Apache-2.0
// Softmax over a row in chunks (arXiv:2205.14135): each chunk is normalized by its own maximum, and chunks are merged in
// the order of positions, however they were spread over threads.

/// The part of a softmax that some chunks have seen so far.
public struct SoftmaxState: BitwiseCopyable, Sendable {
    /// The largest score; −∞ when nothing is visible.
    public var largest: Float
    /// Σ e^(score − largest).
    public var sum: Float

    @inlinable @inline(__always) public init(largest: Float, sum: Float) {
        self.largest = largest
        self.sum = sum
    }
}

/// Turns scores into e^(score − largest) in place, and into 0 outside of the visible range.
///
/// - scores: [count], count a multiple of 16.
/// - firstVisible, endVisible: what may be seen, within 0...count; what lies outside may hold anything.
@inlinable @inline(__always)
public func softmax<Set: InstructionSet>(
    _: Set.Type, _ scores: UnsafeMutablePointer<Float>, _ count: Int, _ firstVisible: Int, _ endVisible: Int,
    _ state: UnsafeMutablePointer<SoftmaxState>
) {
    var i = 0
    while i < firstVisible {
        scores[i] = -.infinity
        i &+= 1
    }
    i = endVisible
    while i < count {
        scores[i] = -.infinity
        i &+= 1
    }
    let maximum = largest(Set.self, scores, count)
    // With nothing visible every difference would be ∞ − ∞; subtracting a finite number leaves e^−∞ = 0.
    let offset = Set.broadcast(firstVisible < endVisible ? maximum : 0)
    var sum = Set.broadcast(0)
    i = 0
    while i < count {
        let e = exponential(Set.self, Set.subtract(Set.load(scores + i), offset))
        Set.store(e, to: scores + i)
        sum = Set.add(sum, e)
        i &+= laneCount
    }
    state.pointee = SoftmaxState(largest: maximum, sum: Set.sum(sum))
}

/// Adds the next chunk to a running attention output: total = total · e^(M − N) + part · e^(m − N), N = max(M, m).
///
/// - part, partState: the chunk's Σ e^(score − m) · value [count] and its softmax; must see something.
/// - total, totalState: what came before, updated; a largest score of −∞ stands for nothing yet.
@inlinable @inline(__always)
public func mergeSoftmax<Set: InstructionSet>(
    _: Set.Type, _ part: UnsafePointer<Float>, _ partState: UnsafePointer<SoftmaxState>,
    _ total: UnsafeMutablePointer<Float>, _ totalState: UnsafeMutablePointer<SoftmaxState>, _ count: Int
) {
    let before = totalState.pointee, new = partState.pointee
    let largest = new.largest > before.largest ? new.largest : before.largest
    let totalFactor = exponential(Set.self, Set.broadcast(before.largest - largest))
    let partFactor = exponential(Set.self, Set.broadcast(new.largest - largest))
    var i = 0
    while i < count {
        let scaled = Set.multiply(Set.load(total + i), totalFactor)
        Set.store(Set.multiplyAdd(Set.load(part + i), partFactor, scaled), to: total + i)
        i &+= laneCount
    }
    let sum = before.sum * Set.first(totalFactor) + new.sum * Set.first(partFactor)
    totalState.pointee = SoftmaxState(largest: largest, sum: sum)
}
