// SPDX-License-Identifier: Apache-2.0
// One row of the experiment's table.

import Evaluation
import JSON

/// One way of steering, as it was measured.
package struct ExperimentArm: Sendable {
    package let name: String
    /// "own", "expert", "random", "shuffled", "rotated", "wrong domain", "words" or "none".
    package let kind: String
    package var layers: [Int] = []
    package var strength: Double?
    /// KL on neutral text in nats by token; nil where it is not matched.
    package var damage: Double?
    /// Mean effect on validation pairs, by which layers and pairing were chosen.
    package var validation: Double?
    /// What was tried there, with its mean effect.
    package var tried: [(note: String, effect: Double)] = []
    /// Change of the log-odds of each test item.
    package let shifts: [Double]
    package var note: String?

    /// Whether validation liked this arm less; kinds that were not validated count as without effect.
    func isLess(than other: ExperimentArm) -> Bool { (validation ?? 0) < (other.validation ?? 0) }

    func json(groups: [String], seed: UInt64) -> JSON {
        let differences = GroupedDifferences(shifts, groups: groups)
        let interval = differences.bootstrapInterval(seed: seed)
        var object: JSON.Object = [
            "name": .string(name), "kind": .string(kind), "effect": .number(differences.mean),
            "interval": interval.lowerBound.isFinite ? interval.json : .null,
            "p": .number(differences.permutationTest(seed: seed)),
            "anti_steered": .number(Double(shifts.count { $0 < 0 }) / Double(max(shifts.count, 1))),
        ]
        if let damage {
            object["damage"] = .number(damage)
            object["effect_per_nat"] = .number(differences.mean / max(damage, 1e-9))
        }
        if let strength { object["strength"] = .number(strength) }
        if let validation { object["validation_effect"] = .number(validation) }
        if !layers.isEmpty { object["layers"] = .array(layers.map { .integer($0) }) }
        if let note { object["note"] = .string(note) }
        if !tried.isEmpty {
            object["tried"] = .array(
                tried.map { ["note": .string($0.note), "validation_effect": .number($0.effect)] })
        }
        object["shifts"] = .array(shifts.map { .number($0) })
        return .object(object)
    }
}
