// SPDX-License-Identifier: Apache-2.0
// An Aho-Corasick automaton (1975) over the reversed tokens: it reads the text backwards, and its state at a position determines
// the tokens that start there, the longest first.

/// The special tokens that start at each position of one text.
struct SpecialTokenAutomaton {
    /// Nodes are numbered level by level, so the children of a node are contiguous, in ascending order of bytes.
    private var firstChild: [Int32] = []
    private var bytes: [UInt8] = [0]
    /// The node of the longest proper suffix that is a node.
    private var failure: [Int32] = [0]
    /// The token that ends at the node, or −1, and its length.
    private var tokens: [Int32] = [-1]
    private var depths: [Int32] = [0]
    /// The node of the next shorter token that ends at the node; 0 for none.
    private var shorter: [Int32] = [0]

    /// The longest token's node at each position; 0 for none.
    private var nodes: [Int32]

    init(_ patterns: some SpecialPatterns, isWanted: (Int32) -> Bool, over text: Span<UInt8>) {
        nodes = [Int32](repeating: 0, count: text.count)
        build(Self.reversed(patterns, isWanted))
        link()
        var state: Int32 = 0
        for position in (0..<text.count).reversed() {
            state = next(state, text[position])
            nodes[position] = tokens[Int(state)] >= 0 ? state : shorter[Int(state)]
        }
    }

    /// The longest token that starts at a position and ends at `limit` or before.
    func longest(at position: Int, limit: Int) -> SpecialMatch? {
        var node = Int(nodes[position])
        while node > 0 {
            if position + Int(depths[node]) <= limit {
                return SpecialMatch(byteCount: Int(depths[node]), token: tokens[node])
            }
            node = Int(shorter[node])
        }
        return nil
    }

    private static func reversed(_ patterns: some SpecialPatterns, _ isWanted: (Int32) -> Bool)
        -> [(text: [UInt8], token: Int32)]
    {
        (0..<patterns.count).filter { isWanted(patterns.token($0)) }
            .map { index in
                let byteCount = patterns.byteCount(index)
                let text = (1...byteCount).map { patterns.byte(index, at: byteCount - $0) }
                return (text, patterns.token(index))
            }
            .sorted { $0.text.lexicographicallyPrecedes($1.text) }
    }

    /// Builds the tree level by level: a node of depth d represents the sorted texts that share d bytes.
    private mutating func build(_ texts: [(text: [UInt8], token: Int32)]) {
        var level = [0..<texts.count]
        var depth = 0
        while !level.isEmpty {
            var children: [Range<Int>] = []
            for range in level {
                firstChild.append(Int32(bytes.count))
                var low = range.lowerBound
                while low < range.upperBound && texts[low].text.count == depth {
                    // Of equal texts the first one counts; the root has none.
                    if depth > 0, tokens[firstChild.count - 1] < 0 {
                        tokens[firstChild.count - 1] = texts[low].token
                    }
                    low += 1
                }
                while low < range.upperBound {
                    let byte = texts[low].text[depth]
                    var high = low + 1
                    while high < range.upperBound && texts[high].text[depth] == byte { high += 1 }
                    bytes.append(byte)
                    tokens.append(-1)
                    depths.append(Int32(depth + 1))
                    children.append(low..<high)
                    low = high
                }
            }
            level = children
            depth += 1
        }
        // The end of the last node's children.
        firstChild.append(Int32(bytes.count))
    }

    /// Sets failure links and shorter tokens. They point to nodes of lower depth, which come earlier.
    private mutating func link() {
        failure = [Int32](repeating: 0, count: bytes.count)
        shorter = failure
        for node in bytes.indices {
            for child in Int(firstChild[node])..<Int(firstChild[node + 1]) {
                if node > 0 { failure[child] = next(failure[node], bytes[child]) }
                let suffix = Int(failure[child])
                shorter[child] = tokens[suffix] >= 0 ? failure[child] : shorter[suffix]
            }
        }
    }

    /// The state after one more byte.
    private func next(_ state: Int32, _ byte: UInt8) -> Int32 {
        var state = state
        while true {
            var (low, high) = (Int(firstChild[Int(state)]), Int(firstChild[Int(state) + 1]))
            let end = high
            while low < high {
                let middle = (low + high) / 2
                if bytes[middle] < byte { low = middle + 1 } else { high = middle }
            }
            if low < end && bytes[low] == byte { return Int32(low) }
            if state == 0 { return 0 }
            state = failure[Int(state)]
        }
    }
}
