// SPDX-License-Identifier: Apache-2.0
// Softmax over a row in chunks (FlashAttention, arXiv:2205.14135): each chunk is normalized by its own maximum, and chunks are
// merged in the order of positions, for any distribution over threads.

/// The running maximum and sum of a softmax over some chunks.
public struct SoftmaxState: BitwiseCopyable, Sendable {
    /// The largest score; −∞ if no position is visible.
    public var largest: Float
    /// Σ e^(score − largest).
    public var sum: Float

    @inlinable @inline(__always) public init(largest: Float, sum: Float) {
        self.largest = largest
        self.sum = sum
    }
}

/// Scores of some rows that see the same positions.
public struct ScoreRows {
    /// [rowCount × stride]
    public var scores: UnsafeMutablePointer<Float>
    public var stride: Int
    public var rowCount: Int
    /// Scores of a row, a multiple of 16.
    public var count: Int
    /// The visible scores, within 0...count; scores outside may hold any value.
    public var firstVisible: Int
    public var endVisible: Int
    /// [rowCount], written.
    public var states: UnsafeMutablePointer<SoftmaxState>
    public var ahead: PrefetchCursor

    @inlinable @inline(__always)
    public init(
        scores: UnsafeMutablePointer<Float>, stride: Int, rowCount: Int, count: Int, firstVisible: Int,
        endVisible: Int, states: UnsafeMutablePointer<SoftmaxState>, ahead: PrefetchCursor
    ) {
        self.scores = scores
        self.stride = stride
        self.rowCount = rowCount
        self.count = count
        self.firstVisible = firstVisible
        self.endVisible = endVisible
        self.states = states
        self.ahead = ahead
    }
}

/// Replaces the scores of each row by e^(score − largest) in place, and by 0 outside the visible range.
@inlinable @inline(__always)
public func softmax<ISA: InstructionSet>(_: ISA.Type, _ rows: ScoreRows) {
    // Rows are independent: after a first pass over all maxima, a row's exponentials need not wait for its maximum.
    var row = 0
    while row < rows.rowCount {
        let scores = rows.scores + row &* rows.stride
        var i = 0
        while i < rows.firstVisible {
            scores[i] = -.infinity
            i &+= 1
        }
        i = rows.endVisible
        while i < rows.count {
            scores[i] = -.infinity
            i &+= 1
        }
        rows.states[row].largest = largest(ISA.self, scores, rows.count)
        row &+= 1
    }
    var ahead = PrefetchSteps<ISA>(rows.ahead, steps: rows.rowCount &* rows.count / laneCount)
    row = 0
    while row < rows.rowCount {
        let scores = rows.scores + row &* rows.stride
        // If nothing is visible, every difference would be ∞ − ∞; subtracting a finite number gives e^−∞ = 0.
        let offset = ISA.broadcast(rows.firstVisible < rows.endVisible ? rows.states[row].largest : 0)
        var sum = ISA.broadcast(0)
        var i = 0
        while i < rows.count {
            let e = exponential(ISA.self, ISA.subtract(ISA.load(scores + i), offset))
            ISA.store(e, to: scores + i)
            sum = ISA.add(sum, e)
            i &+= laneCount
            ahead.step()
        }
        rows.states[row].sum = ISA.sum(sum)
        row &+= 1
    }
}

/// Adds the next chunk to a running attention output: total = total · e^(M − N) + part · e^(m − N), N = max(M, m).
///
/// - part, partState: The chunk's Σ e^(score − m) · value [count] and its softmax; at least one position must be visible.
/// - total, totalState: The result of earlier chunks, updated; a largest score of −∞ means that there is none yet.
@inlinable @inline(__always)
public func mergeSoftmax<ISA: InstructionSet>(
    _: ISA.Type, _ part: UnsafePointer<Float>, _ partState: UnsafePointer<SoftmaxState>,
    _ total: UnsafeMutablePointer<Float>, _ totalState: UnsafeMutablePointer<SoftmaxState>, _ count: Int
) {
    let before = totalState.pointee, new = partState.pointee
    let largest = new.largest > before.largest ? new.largest : before.largest
    let totalFactor = exponential(ISA.self, ISA.broadcast(before.largest - largest))
    let partFactor = exponential(ISA.self, ISA.broadcast(new.largest - largest))
    var i = 0
    while i < count {
        let scaled = ISA.multiply(ISA.load(total + i), totalFactor)
        ISA.store(ISA.multiplyAdd(ISA.load(part + i), partFactor, scaled), to: total + i)
        i &+= laneCount
    }
    let sum = before.sum * ISA.first(totalFactor) + new.sum * ISA.first(partFactor)
    totalState.pointee = SoftmaxState(largest: largest, sum: sum)
}
