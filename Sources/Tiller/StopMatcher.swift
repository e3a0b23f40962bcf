// SPDX-License-Identifier: Apache-2.0
// Stop strings in a stream of text: what may be the start of one is held back until it is decided.

/// Finds stop strings across the borders of tokens.
package struct StopMatcher {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []

    /// - Parameter stops: empty strings are ignored.
    package init(stops: [String]) {
        self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty }
    }

    /// Takes bytes up; returns those that can be shown, and whether a stop string was completed.
    ///
    /// Text after a stop string, and the stop string itself, are dropped.
    package mutating func push(_ bytes: some Sequence<UInt8>) -> (text: [UInt8], isStopped: Bool) {
        held += bytes
        if let start = firstStop() {
            let text = Array(held[..<start])
            held.removeAll()
            return (text, true)
        }
        let keep = longestPartialStop()
        let text = Array(held[..<(held.count - keep)])
        held.removeFirst(held.count - keep)
        return (text, false)
    }

    /// What was held back when the stream ends.
    package mutating func finish() -> [UInt8] {
        defer { held.removeAll() }
        return held
    }

    private func firstStop() -> Int? {
        held.indices.first { start in stops.contains { held[start...].starts(with: $0) } }
    }

    /// Length of the longest end of the held text that begins a stop string.
    private func longestPartialStop() -> Int {
        let longest = stops.map(\.count).max() ?? 0
        guard longest > 1 else { return 0 }
        for length in stride(from: min(longest - 1, held.count), to: 0, by: -1)
        where stops.contains(where: { $0.starts(with: held.suffix(length)) }) {
            return length
        }
        return 0
    }
}
