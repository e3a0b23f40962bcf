// SPDX-License-Identifier: Apache-2.0
// How often a model gives the right choice the highest likelihood, by lm-evaluation-harness' protocol.

import JSON
import Steering
import Tiller

/// The items that were answered correctly, without and with steering.
package struct ChoiceEvaluation: Sendable {
    /// Whether the right choice of one item was the most likely one.
    package struct Outcome: Sendable, Equatable {
        /// By ln P per character of the choice.
        package let isRight: Bool
        /// By ln P alone.
        package let isRightRaw: Bool

        package init(isRight: Bool, isRightRaw: Bool) {
            self.isRight = isRight
            self.isRightRaw = isRightRaw
        }
    }

    /// One per item.
    package let plain: [Outcome]
    /// The same with steering; nil without steering.
    package let steered: [Outcome]?
    /// Whether a gate of the steering has opened for any token; nil without gates.
    package let hasOpenedGate: Bool?

    package init(plain: [Outcome], steered: [Outcome]? = nil, hasOpenedGate: Bool? = nil) {
        self.plain = plain
        self.steered = steered
        self.hasOpenedGate = hasOpenedGate
    }

    /// Joins several sets of items.
    package init(joining parts: [ChoiceEvaluation]) {
        plain = parts.flatMap(\.plain)
        steered = parts.contains { $0.steered == nil } ? nil : parts.flatMap { $0.steered ?? [] }
        let opened = parts.compactMap(\.hasOpenedGate)
        hasOpenedGate = opened.isEmpty ? nil : opened.contains(true)
    }

    private var outcomes: [Outcome] { steered ?? plain }
    package var itemCount: Int { plain.count }

    /// Share of items whose right choice has the highest ln P per character, with steering if there is any.
    ///
    /// Plain ln P prefers short choices, since every word lowers it, right or wrong. Hence the division, which
    /// lm-evaluation-harness calls `acc_norm` and most reports of HellaSwag and ARC quote.
    package var accuracy: Double { share(outcomes.map(\.isRight)) }
    /// The same by ln P alone, lm-evaluation-harness' `acc`.
    package var accuracyRaw: Double { share(outcomes.map(\.isRightRaw)) }
    package var plainAccuracy: Double { share(plain.map(\.isRight)) }
    package var plainAccuracyRaw: Double { share(plain.map(\.isRightRaw)) }
    /// The 95 % interval of `accuracy`.
    package var interval: ClosedRange<Double> {
        wilsonInterval(successes: outcomes.count { $0.isRight }, of: itemCount)
    }

    /// The change by steering, per item: 1 where it helped, −1 where it hurt.
    private var differences: [Double] {
        zip(outcomes, plain).map { ($0.isRight ? 1 : 0) - ($1.isRight ? 1 : 0) }
    }
    package var difference: Double { accuracy - plainAccuracy }
    /// Its 95 % bootstrap interval, from the paired differences.
    package var differenceInterval: ClosedRange<Double> { bootstrapInterval(of: differences) }

    package var json: JSON.Object {
        var object: JSON.Object = [
            "accuracy": .number(accuracy), "interval": interval.json, "accuracy_raw": .number(accuracyRaw),
            "items": .integer(itemCount),
        ]
        if steered != nil {
            object["plain_accuracy"] = .number(plainAccuracy)
            object["plain_accuracy_raw"] = .number(plainAccuracyRaw)
            object["difference"] = .number(difference)
            object["difference_interval"] = differenceInterval.json
        }
        object["gates_opened"] = hasOpenedGate.map { .bool($0) }
        return object
    }

    private func share(_ answers: [Bool]) -> Double {
        Double(answers.count { $0 }) / Double(max(answers.count, 1))
    }
}

extension ChoiceEvaluation {
    /// Answers every item without and with steering.
    ///
    /// - Parameter onItems: called after some items with (items done, total items).
    package static func measure(
        _ items: [ChoiceItem], engine: Engine, steering: [AppliedProfile] = [],
        onItems: (Int, Int) -> Void = { _, _ in }
    ) throws(TillerError) -> ChoiceEvaluation {
        let scorer = try ChoiceScorer(engine: engine)
        let plan = try engine.scoringPlan(steering)
        try plan.requireAction(within: scorer.longestText(of: items))
        var plain: [Outcome] = [], steered: [Outcome] = []
        var hasOpenedGate: Bool?
        for start in stride(from: 0, to: items.count, by: ChoiceScorer.itemCount) {
            let few = items[start..<min(start + ChoiceScorer.itemCount, items.count)]
            func outcomes(under plan: SteeringPlan) throws(TillerError) -> [Outcome] {
                try zip(few, scorer.logLikelihoods(of: few, under: plan)).map { $0.outcome($1) }
            }
            plain += try outcomes(under: .none)
            if !plan.isEmpty {
                steered += try outcomes(under: plan)
                hasOpenedGate = scorer.hasOpenedGate.map { $0 || hasOpenedGate == true }
            }
            onItems(few.endIndex, items.count)
        }
        // A strength of 0 is no steering, but it was requested, so it has results.
        let result = plan.isEmpty ? plain : steered
        return ChoiceEvaluation(
            plain: plain, steered: steering.isEmpty ? nil : result, hasOpenedGate: hasOpenedGate)
    }
}

extension ChoiceItem {
    /// Whether the right choice has the highest score.
    ///
    /// - Parameter logLikelihoods: ln P of each choice. The first one among equals wins.
    package func outcome(_ logLikelihoods: [Double]) -> ChoiceEvaluation.Outcome {
        // Unicode scalars, as Python counts characters, so that figures agree.
        let byCharacter = zip(logLikelihoods, choices).map { $0 / Double($1.unicodeScalars.count) }
        return ChoiceEvaluation.Outcome(
            isRight: byCharacter.firstLargest == answer, isRightRaw: logLikelihoods.firstLargest == answer)
    }
}

extension [Double] {
    /// The index of the largest element, the first one among equals.
    fileprivate var firstLargest: Int? {
        indices.max { self[$0] < self[$1] || (self[$0] == self[$1] && $0 > $1) }
    }
}
