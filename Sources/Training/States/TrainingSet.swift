// SPDX-License-Identifier: Apache-2.0
// Pairs as the trainer reads them. Two kinds need different treatment: pairs of texts, which carry the concept
// themselves, and pairs of two fixed answers such as Yes and No, which refer to prompts that carry it.

import Evaluation
import Tiller

/// Where the concept is read.
package enum StateSource: String, Sendable, CaseIterable {
    /// In the sides' own tokens: the mean state of each side.
    case answers
    /// At each side's last token, whose state has seen the whole side. If sides differ in a word or two, most states of
    /// the mean come before the difference.
    case last
    /// In the prompts: prompts with one of two fixed answers, against prompts with the other.
    case prompts
}

/// Usable pairs; those of two fixed answers are balanced.
struct TrainingSet {
    let pairs: [TokenizedPair]
    /// Two fixed answers, and how often each was the positive one before balancing; nil for other pairs. With fixed
    /// answers `pairs` alternate: the positive side is the first answer at even indices, the second at odd ones.
    let fixedAnswers: [(text: String, count: Int)]?

    /// - Parameters:
    ///   - limit: tokens of a side to read.
    ///   - maximumCount: pairs to use, evenly spaced.
    /// - Throws: `TillerError.invalidOption` where no pair has tokens of its own on both sides.
    init(_ pairs: [ContrastivePair], maximumCount: Int, engine: Engine, limit: Int) throws(TillerError) {
        var chosen = pairs
        fixedAnswers = Self.fixedAnswers(of: pairs)
        if let fixedAnswers {
            // The state at an answer's token mostly encodes that token. With equal numbers of both answers the token
            // cancels in the mean, and the meaning of the answer remains.
            let count = min(fixedAnswers[0].count, fixedAnswers[1].count, max(maximumCount / 2, 1))
            let halves = fixedAnswers.map { answer in
                pairs.filter { $0.positive == answer.text }.spread(count)
            }
            chosen = zip(halves[0], halves[1]).flatMap { [$0, $1] }
        }
        var usable: [TokenizedPair] = []
        // Half of a balanced couple would break the balance: take both or none.
        let couple = fixedAnswers == nil ? 1 : 2
        let units = stride(from: 0, to: chosen.count, by: couple).map { chosen[$0..<$0 + couple] }
        for unit in units.spread(max(maximumCount / couple, 1)) {
            var tokens: [TokenizedPair] = []
            for pair in unit {
                if let pair = try pair.tokenized(engine: engine, limit: limit) { tokens.append(pair) }
            }
            if tokens.count == couple { usable += tokens }
        }
        guard !usable.isEmpty else {
            throw .invalidOption("no pair has a token of its own on both sides within \(limit) tokens")
        }
        self.pairs = usable
    }

    /// Two texts which are the positive and the negative side of every pair, in either order, each order at least four times.
    private static func fixedAnswers(of pairs: [ContrastivePair]) -> [(text: String, count: Int)]? {
        guard let first = pairs.first, first.positive != first.negative else { return nil }
        let same = pairs.count { $0.positive == first.positive && $0.negative == first.negative }
        let other = pairs.count { $0.positive == first.negative && $0.negative == first.positive }
        guard same >= 4, other >= 4, same + other == pairs.count, pairs.allSatisfy({ $0.prompt != nil })
        else {
            return nil
        }
        return [(first.positive, same), (first.negative, other)]
    }

    /// Positions of each prompt without the common prefix and suffix of all prompts: the template and the question that
    /// frames them. nil where nothing else remains of a prompt.
    var promptPositions: [Range<Int>]? {
        guard let first = pairs.first?.prompt else { return nil }
        var (prefix, suffix) = (first.count, first.count)
        for pair in pairs {
            prefix = min(prefix, zip(pair.prompt, first).prefix { $0 == $1 }.count)
            suffix = min(suffix, zip(pair.prompt.reversed(), first.reversed()).prefix { $0 == $1 }.count)
        }
        let ranges = pairs.map { prefix..<max(prefix, $0.start - suffix) }
        return ranges.contains(where: \.isEmpty) ? nil : ranges
    }
}
