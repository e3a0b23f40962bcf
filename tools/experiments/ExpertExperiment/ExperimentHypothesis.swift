// SPDX-License-Identifier: Apache-2.0
// The four hypotheses, stated before any run, about the expert arm that validation preferred. Each is a paired test of
// the same items under two arms; Holm's adjustment takes all four together.

import Evaluation
import JSON

/// One hypothesis with its test.
package struct ExperimentHypothesis: Sendable {
    package let name: String
    /// Mean difference of the two arms in nats by token, with its 95 % interval over groups.
    package let difference: Double
    package let interval: ClosedRange<Double>
    package let p: Double
    /// By Holm, over all that could be tested.
    package var adjusted = 1.0

    package var json: JSON {
        [
            "name": .string(name), "difference": .number(difference),
            "interval": interval.lowerBound.isFinite ? interval.json : .null, "p": .number(p),
            "p_holm": .number(adjusted), "holds": .bool(adjusted <= 0.05 && difference > 0),
        ]
    }

    /// All that the arms allow to test.
    static func all(_ arms: [ExperimentArm], groups: [String], seed: UInt64) -> [ExperimentHypothesis] {
        func best(_ kind: String) -> ExperimentArm? {
            arms.filter { $0.kind == kind }.max { $0.isLess(than: $1) }
        }
        guard let expert = best("expert") else { return [] }
        var found: [ExperimentHypothesis] = []
        func test(_ name: String, against other: [Double], _ direction: TestDirection) {
            let differences = GroupedDifferences(zip(expert.shifts, other).map { $0 - $1 }, groups: groups)
            found.append(
                ExperimentHypothesis(
                    name: name, difference: differences.mean,
                    interval: differences.bootstrapInterval(seed: seed),
                    p: differences.permutationTest(direction, seed: seed)))
        }
        test("expert above none", against: expert.shifts.map { _ in 0 }, .greater)
        let random = arms.filter { $0.kind == "random" }.sorted { mean($0) < mean($1) }
        if !random.isEmpty {
            // The random direction at the 95th percentile stands for them.
            let place = min(Int((0.95 * Double(random.count)).rounded(.up)), random.count) - 1
            test("expert above the 95th percentile of random", against: random[place].shifts, .greater)
        }
        let rotated = arms.filter { $0.kind == "rotated" }
        if !rotated.isEmpty {
            let means = expert.shifts.indices.map { item in
                rotated.reduce(0) { $0 + $1.shifts[item] } / Double(rotated.count)
            }
            test("expert above the rotated auto-encoder", against: means, .greater)
        }
        if let own = best("own") { test("expert against the target's own", against: own.shifts, .different) }
        for (index, adjusted) in holmAdjusted(found.map(\.p)).enumerated() {
            found[index].adjusted = adjusted
        }
        return found
    }

    private static func mean(_ arm: ExperimentArm) -> Double { RunningMean(arm.shifts).mean }
}
