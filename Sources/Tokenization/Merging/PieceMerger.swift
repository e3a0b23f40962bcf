// SPDX-License-Identifier: Apache-2.0
// Byte pair encoding of one piece: repeatedly joins the pair of neighbours with the highest priority, leftmost first among
// equals, until no pair joins. Short pieces scan a small array; long ones use a heap, so a run of a million equal characters
// costs n log n.

/// Which neighbours join, with which priority, and into which token.
protocol MergeRule {
    /// The priority (smaller is sooner, `.max` for never) and the result of joining two neighbours.
    ///
    /// - Parameters:
    ///   - left, right: their tokens, or −1 where no token is known.
    ///   - range: the part of `text` that both cover.
    func join(_ left: Int32, _ right: Int32, _ text: Span<UInt8>, _ range: Range<Int>) -> Join
}

struct Join {
    var priority: UInt32
    var token: Int32
    static let never = Join(priority: .max, token: -1)
}

/// A part of the piece: a token, or a character that has none yet.
struct Symbol {
    var token: Int32
    /// Byte offset in the text.
    var start: Int32
    /// The join with the next symbol.
    var join = Join.never
}

/// Merges the symbols of a piece in place. Keeps its working memory between pieces.
struct PieceMerger {
    /// The symbols of the piece: set before merging, read afterwards.
    var symbols: [Symbol] = []
    private var previous: [Int32] = []
    private var next: [Int32] = []
    private var heap = MinimumHeap<UInt64>()

    /// Above this count the quadratic scan loses to the heap.
    private static let scanLimit = 40

    /// - Parameters:
    ///   - end: the end of the last symbol in the text.
    ///   - isCancelled: called occasionally in long pieces; once it returns true, the rest stays unmerged.
    @inline(__always)
    mutating func merge(
        _ rule: some MergeRule, _ text: Span<UInt8>, end: Int, isCancelled: () -> Bool = { false }
    ) {
        guard symbols.count > 1 else { return }
        for index in 0..<symbols.count - 1 { symbols[index].join = join(rule, text, index, index + 1, end) }
        if symbols.count <= Self.scanLimit {
            scan(rule, text, end)
        } else {
            mergeByHeap(rule, text, end, isCancelled)
        }
    }

    /// The join of symbol `left` and the following symbol `right`; `afterRight` is the end of the latter.
    @inline(__always)
    private func join(_ rule: some MergeRule, _ text: Span<UInt8>, _ left: Int, _ right: Int, _ end: Int)
        -> Join
    {
        let rightEnd = right + 1 < symbols.count ? Int(symbols[right + 1].start) : end
        return rule.join(
            symbols[left].token, symbols[right].token, text, Int(symbols[left].start)..<rightEnd)
    }

    private mutating func scan(_ rule: some MergeRule, _ text: Span<UInt8>, _ end: Int) {
        while true {
            var best = 0
            var priority = UInt32.max
            for index in 0..<symbols.count - 1 where symbols[index].join.priority < priority {
                best = index
                priority = symbols[index].join.priority
            }
            if priority == .max { return }
            symbols[best].token = symbols[best].join.token
            symbols.remove(at: best + 1)
            if best > 0 { symbols[best - 1].join = join(rule, text, best - 1, best, end) }
            symbols[best].join = best + 1 < symbols.count ? join(rule, text, best, best + 1, end) : .never
        }
    }

    /// The same with a linked list. A heap entry holds a priority in its upper half and the index of its left symbol in its lower
    /// half. It is stale when that symbol's join has another priority by the time it is popped. A stale entry with the current
    /// priority is harmless, because the symbol's current join applies.
    private mutating func mergeByHeap(
        _ rule: some MergeRule, _ text: Span<UInt8>, _ end: Int, _ isCancelled: () -> Bool
    ) {
        let count = symbols.count
        previous.removeAll(keepingCapacity: true)
        next.removeAll(keepingCapacity: true)
        heap.removeAll()
        for index in 0..<count {
            previous.append(Int32(index - 1))
            next.append(index + 1 < count ? Int32(index + 1) : -1)
            push(index)
        }
        var stepCount = 0
        while let entry = heap.popMinimum() {
            stepCount &+= 1
            if stepCount & 0xFFF == 0 && isCancelled() { break }
            let left = Int(entry & 0xFFFF_FFFF)
            guard symbols[left].join.priority == UInt32(entry >> 32) else { continue }
            let right = Int(next[left])
            symbols[left].token = symbols[left].join.token
            symbols[right].join = .never
            symbols[right].start = -1
            next[left] = next[right]
            if next[left] >= 0 { previous[Int(next[left])] = Int32(left) }
            refresh(rule, text, left, end)
            if previous[left] >= 0 { refresh(rule, text, Int(previous[left]), end) }
        }
        symbols.removeAll { $0.start < 0 }
    }

    @inline(__always)
    private mutating func push(_ index: Int) {
        let priority = symbols[index].join.priority
        if priority != .max { heap.insert(UInt64(priority) << 32 | UInt64(index)) }
    }

    /// Looks up the join of a symbol with its present neighbour.
    @inline(__always)
    private mutating func refresh(_ rule: some MergeRule, _ text: Span<UInt8>, _ left: Int, _ end: Int) {
        let right = Int(next[left])
        guard right >= 0 else {
            symbols[left].join = .never
            return
        }
        let rightEnd = next[right] >= 0 ? Int(symbols[Int(next[right])].start) : end
        symbols[left].join = rule.join(
            symbols[left].token, symbols[right].token, text, Int(symbols[left].start)..<rightEnd)
        push(left)
    }
}
