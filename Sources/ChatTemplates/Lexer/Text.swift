// SPDX-License-Identifier: Apache-2.0
// Text that tracks its origin. A template mixes its own text with messages, and only its own text may become control tokens, so
// each text operation determines the origin of every part of its result. A part derived from both, or from neither, counts as
// input, which is the safe choice.

/// The origin of a part of a text.
enum Source: Equatable, Sendable {
    /// The template: its text, its literals, and the tokens that begin and end a sequence.
    case template
    /// The caller's input: messages, tools and all other variables.
    case input
}

/// A scalar of a text.
struct TextScalar: Sendable {
    let scalar: Unicode.Scalar
    let source: Source

    var isPythonSpace: Bool { scalar.isPythonSpace }
}

/// A string, and the origin of its parts.
package struct Text: Sendable {
    package private(set) var string = ""
    private var origin = Origin.whole(.template)

    private enum Origin {
        case whole(Source)
        /// The bytes from the input: ascending, disjoint ranges, neither empty nor the whole text.
        case mixed([Range<Int>])
    }

    init() {}

    init(_ string: String, from source: Source = .template) {
        self.string = string
        origin = .whole(source)
    }

    init(_ scalars: some Sequence<TextScalar>) {
        var view = String.UnicodeScalarView()
        var ranges: [Range<Int>] = []
        var byteCount = 0
        for scalar in scalars {
            view.append(scalar.scalar)
            let end = byteCount + UTF8.width(scalar.scalar)
            if scalar.source == .input { Self.extend(&ranges, by: byteCount..<end) }
            byteCount = end
        }
        string = String(view)
        origin = Self.origin(ranges, byteCount: byteCount)
    }

    var isEmpty: Bool { string.isEmpty }

    /// The UTF-8 size.
    var byteCount: Int { string.utf8.count }

    /// The cost of a copy, in bytes of the budget.
    var cost: Int {
        guard case .mixed(let ranges) = origin else { return byteCount }
        return byteCount + MemoryLayout<Range<Int>>.stride * ranges.count
    }

    /// The origin of the whole text; the input if it has both.
    var source: Source {
        guard case .whole(let source) = origin else { return .input }
        return source
    }

    /// The UTF-8 ranges that come from the template: ascending, and not adjacent.
    package var templateRanges: [Range<Int>] {
        var ranges: [Range<Int>] = []
        var start = 0
        for range in inputRanges {
            if range.lowerBound > start { ranges.append(start..<range.lowerBound) }
            start = range.upperBound
        }
        if start < byteCount { ranges.append(start..<byteCount) }
        return ranges
    }

    private var inputRanges: [Range<Int>] {
        switch origin {
        case .whole(.template): []
        case .whole(.input): isEmpty ? [] : [0..<byteCount]
        case .mixed(let ranges): ranges
        }
    }

    private static func origin(_ ranges: [Range<Int>], byteCount: Int) -> Origin {
        guard let first = ranges.first else { return .whole(.template) }
        return first == 0..<byteCount ? .whole(.input) : .mixed(ranges)
    }

    private static func extend(_ ranges: inout [Range<Int>], by range: Range<Int>) {
        if let last = ranges.last, last.upperBound == range.lowerBound {
            ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
        } else {
            ranges.append(range)
        }
    }
}

// MARK: - Joining and cutting

extension Text {
    /// Takes time proportional to the length of `other`.
    mutating func append(_ other: Text) {
        guard !other.isEmpty else { return }
        guard !isEmpty else { return self = other }
        let offset = byteCount
        string += other.string
        if case .whole(let source) = origin, case .whole(source) = other.origin { return }
        var ranges = inputRanges(upTo: offset)
        // The array must have a single reference while it grows, or each step would copy it.
        origin = .whole(.template)
        for range in other.inputRanges {
            Self.extend(&ranges, by: range.lowerBound + offset..<range.upperBound + offset)
        }
        origin = .mixed(ranges)
    }

    private func inputRanges(upTo byteCount: Int) -> [Range<Int>] {
        if case .whole(.input) = origin { return [0..<byteCount] }
        return inputRanges
    }

    mutating func append(_ string: String, from source: Source) { append(Text(string, from: source)) }

    mutating func append(_ scalar: Unicode.Scalar, from source: Source) {
        append(Text(String(Character(scalar)), from: source))
    }

    init(repeating part: Text, count: Int) {
        string = String(repeating: part.string, count: part.isEmpty ? 0 : count)
        switch part.origin {
        case .whole: origin = part.origin
        case .mixed(let ranges):
            var all: [Range<Int>] = []
            for offset in stride(from: 0, to: string.utf8.count, by: part.byteCount) {
                for range in ranges {
                    Self.extend(&all, by: range.lowerBound + offset..<range.upperBound + offset)
                }
            }
            origin = Self.origin(all, byteCount: string.utf8.count)
        }
    }

    static func + (left: Text, right: Text) -> Text {
        var result = left
        result.append(right)
        return result
    }

    /// The text of a range of bytes.
    ///
    /// - Precondition: The range consists of whole UTF-8 characters.
    subscript(range: Range<Int>) -> Text {
        let utf8 = string.utf8
        let start = utf8.index(utf8.startIndex, offsetBy: range.lowerBound)
        let end = utf8.index(start, offsetBy: range.count)
        var part = Text(String(string[start..<end]))
        switch origin {
        case .whole: part.origin = origin
        case .mixed(let ranges):
            part.origin = Self.origin(Self.cut(ranges, to: range), byteCount: range.count)
        }
        return part
    }

    /// The parts within a range, relative to its start.
    private static func cut(_ ranges: [Range<Int>], to range: Range<Int>) -> [Range<Int>] {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound <= range.lowerBound { low = middle + 1 } else { high = middle }
        }
        var result: [Range<Int>] = []
        while low < ranges.count, ranges[low].lowerBound < range.upperBound {
            let common = ranges[low].clamped(to: range)
            result.append(common.lowerBound - range.lowerBound..<common.upperBound - range.lowerBound)
            low += 1
        }
        return result
    }
}

// MARK: - Scalars

extension Text {
    var firstScalar: Text? { string.unicodeScalars.first.map { self[0..<UTF8.width($0)] } }

    var scalars: [TextScalar] {
        var result: [TextScalar] = []
        result.reserveCapacity(byteCount)
        forEachRun { part, source in
            for scalar in part.unicodeScalars { result.append(TextScalar(scalar: scalar, source: source)) }
        }
        return result
    }

    /// The text with each scalar replaced by `transform`, independently of its neighbours.
    func mapScalars(_ transform: (String) -> String) -> Text {
        var result = Text()
        forEachRun { part, source in result.append(transform(String(part)), from: source) }
        return result
    }

    /// Visits the longest parts of a single origin.
    private func forEachRun(_ body: (Substring, Source) -> Void) {
        let utf8 = string.utf8
        var index = utf8.startIndex
        var position = 0
        func visit(upTo end: Int, _ source: Source) {
            guard end > position else { return }
            let next = utf8.index(index, offsetBy: end - position)
            body(string[index..<next], source)
            (index, position) = (next, end)
        }
        for range in inputRanges {
            visit(upTo: range.lowerBound, .template)
            visit(upTo: range.upperBound, .input)
        }
        visit(upTo: byteCount, .template)
    }
}
