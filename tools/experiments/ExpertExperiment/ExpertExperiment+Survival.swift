// SPDX-License-Identifier: Apache-2.0
// A profile is fitted on the weights that ship. Does it depend on them? The arms that validation preferred, one of the
// target's own and one of the expert, run again at the same strengths on the same model in other weights.

import Evaluation
import ExpertSteer
import Formats
import JSON
import Steering
import Tiller
import Training

extension ExpertExperiment {
    /// Effects at half the strength and against the direction: does the measure follow the dose?
    func doses(of best: [(arm: ExperimentArm, profile: SteeringProfile)]) throws -> JSON {
        .array(
            try best.map { arm, profile in
                var rows: [JSON] = []
                func add(_ strength: Float, _ shifts: [Double]) {
                    rows.append([
                        "strength": .number(Double(strength)), "effect": .number(RunningMean(shifts).mean),
                    ])
                }
                let full = profile.recommendedStrength
                for strength in [-full, -0.5 * full, 0.5 * full] {
                    add(strength, try measurement.shifts(of: profile, strength: strength, on: test))
                }
                add(full, arm.shifts)
                return ["name": .string(arm.name), "kind": .string(arm.kind), "doses": .array(rows)]
            })
    }

    func survival(
        of best: [(arm: ExperimentArm, profile: SteeringProfile)],
        in others: [(name: String, load: () throws -> Engine)]
    ) throws -> JSON {
        let groups = testItems.map(\.group)
        return .array(
            try others.map { other in
                let engine = try other.load()
                let measurement = try ProfileMeasurement(engine: engine)
                let items = try measurement.scored(testItems.map(\.pair), tokenLimit: Self.tokenLimit)
                guard items.count == test.count else {
                    throw TillerError.invalidOption("\(other.name): its tokenizer is not the target's")
                }
                var rows: [JSON] = []
                for (index, (arm, profile)) in best.enumerated() {
                    try progress(.choosing, index, best.count)
                    let strength = profile.recommendedStrength
                    let there = ExperimentArm(
                        name: arm.name, kind: arm.kind, strength: Double(strength),
                        damage: measurement.damage(of: profile, strength: strength),
                        shifts: try measurement.shifts(of: profile, strength: strength, on: items))
                    var row = there.json(groups: groups, seed: options.seed).objectValue ?? [:]
                    // Groups are resampled whole.
                    let kept = bootstrapInterval(
                        ofRatio: GroupedDifferences(there.shifts, groups: groups).sums,
                        to: GroupedDifferences(arm.shifts, groups: groups).sums, seed: options.seed)
                    row["retention"] = .number(
                        RunningMean(there.shifts).mean / RunningMean(arm.shifts).mean)
                    // None where the effect itself is not shown.
                    row["retention_interval"] = kept?.json ?? .null
                    rows.append(.object(row))
                }
                return ["weights": .string(other.name), "arms": .array(rows)]
            })
    }

    func requireSameShape(_ other: Engine, named name: String) throws(TillerError) {
        let here = engine.model.configuration, there = other.model.configuration
        guard here.layerCount == there.layerCount, here.hiddenSize == there.hiddenSize else {
            throw .invalidOption(
                "\(name): \(there.layerCount) layers of width \(there.hiddenSize), expected the target in other weights, "
                    + "with \(here.layerCount) of \(here.hiddenSize)")
        }
    }
}
