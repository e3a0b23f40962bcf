// SPDX-License-Identifier: Apache-2.0
// Stop strings in a stream of text: a possible start of one is held back until it is decided.

/// Finds stop strings across token boundaries.
///
/// The stream is the generated text including its special tokens as text, shown or not. A stop string that names a special token
/// is matched against the whole stream, any other against the shown text.
package struct StopMatcher {
    private let stops: [[UInt8]]
    private let specialStops: [[UInt8]]
    private var held: [HeldByte] = []

    private struct HeldByte {
        let byte: UInt8
        let isShown: Bool
    }

    /// - Parameters:
    ///   - stops: strings to find in the shown text; empty strings are ignored.
    ///   - specialStops: strings to find in the whole stream; empty strings are ignored.
    package init(stops: [String], specialStops: [String] = []) {
        self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty }
        self.specialStops = specialStops.map { Array($0.utf8) }.filter { !$0.isEmpty }
    }

    /// Consumes bytes; returns those that can be shown, and whether a stop string was completed.
    ///
    /// Text after a stop string, and the stop string itself, are dropped.
    package mutating func push(_ bytes: some Sequence<UInt8>, areShown: Bool = true) -> (
        text: [UInt8], isStopped: Bool
    ) {
        // Bytes that are neither matched nor shown need not be held back, and most text can be shown without matching.
        guard areShown || !specialStops.isEmpty else { return ([], false) }
        guard !stops.isEmpty || !specialStops.isEmpty else { return (Array(bytes), false) }
        held += bytes.lazy.map { HeldByte(byte: $0, isShown: areShown) }
        let shown = held.indices.filter { held[$0].isShown }
        let (all, visible) = (held.map(\.byte), shown.map { held[$0].byte })
        let starts = [
            Self.firstStop(stops, in: visible).map { shown[$0] }, Self.firstStop(specialStops, in: all),
        ]
        if let start = starts.compactMap(\.self).min() {
            defer { held.removeAll() }
            return (shownBytes(before: start), true)
        }
        let keep = Self.longestPartialStop(stops, in: visible)
        let keepSpecial = Self.longestPartialStop(specialStops, in: all)
        let start = min(keep > 0 ? shown[visible.count - keep] : all.count, all.count - keepSpecial)
        defer { held.removeFirst(start) }
        return (shownBytes(before: start), false)
    }

    /// Whether text to be shown is held back.
    package var holdsText: Bool { held.contains(where: \.isShown) }

    /// The text still held back at the end of the stream.
    package mutating func finish() -> [UInt8] {
        defer { held.removeAll() }
        return shownBytes(before: held.count)
    }

    private func shownBytes(before end: Int) -> [UInt8] {
        held[..<end].filter(\.isShown).map(\.byte)
    }

    private static func firstStop(_ stops: [[UInt8]], in bytes: [UInt8]) -> Int? {
        bytes.indices.first { start in stops.contains { bytes[start...].starts(with: $0) } }
    }

    /// Length of the longest suffix of a text that is a prefix of a stop string.
    private static func longestPartialStop(_ stops: [[UInt8]], in bytes: [UInt8]) -> Int {
        let longest = stops.map(\.count).max() ?? 0
        guard longest > 1 else { return 0 }
        for length in stride(from: min(longest - 1, bytes.count), to: 0, by: -1)
        where stops.contains(where: { $0.starts(with: bytes.suffix(length)) }) {
            return length
        }
        return 0
    }
}
