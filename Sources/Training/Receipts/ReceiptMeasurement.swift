// SPDX-License-Identifier: Apache-2.0
// Measures a profile on items that it was not trained on: its effect, its side effect, and whether uninformed directions
// do as much at the same side effect. The profile, the items, the weights and one seed determine every figure.

import Directions
import Evaluation
import Formats
import Glibc
import JSON
import LinearAlgebra
import Steering
import Tiller

/// Options of a receipt's measurement.
package struct ReceiptOptions: Sendable {
    package var seed: UInt64 = 1
    /// Number of random directions; there are a third as many shuffled and rotated controls.
    package var controlCount = 24
    /// Scored items, evenly spaced.
    package var maximumItemCount = 200

    /// With fewer controls the 95th percentile is the largest one.
    package static let leastControlCount = 20

    package init() {}
}

/// One control, measured at the profile's side effect.
struct ControlFigure {
    let strength: Float
    let effect: Double
    let damage: Double
}

/// Makes receipts on one model.
package struct ReceiptMeasurement {
    private let engine: Engine
    private let options: ReceiptOptions
    private let items: [EvaluationItem]
    private let pairs: ScoredPairs
    private let measurement: ProfileMeasurement
    private let dataHash: String

    /// Scored tokens per side.
    private static let tokenLimit = 160
    /// Fractions of the strength at which the effect is measured.
    private static let doses: [Float] = [0.25, 0.5, 0.75, 1]
    /// Limit of the item bytes that a receipt stores; up to there it can be verified without another file.
    private static let keptByteCount = 128 << 10

    /// - Parameter dataHash: SHA-256 of the file of items.
    /// - Throws: `TillerError.invalidOption` where no item has a token to score on both sides, or for options out of range.
    package init(
        engine: Engine, items: [EvaluationItem], dataHash: String, options: ReceiptOptions
    ) throws(TillerError) {
        guard (ReceiptOptions.leastControlCount...1000).contains(options.controlCount) else {
            throw .invalidOption(
                "\(options.controlCount) controls, expected \(ReceiptOptions.leastControlCount)...1000")
        }
        measurement = try ProfileMeasurement(engine: engine)
        let chosen = items.spread(options.maximumItemCount)
        pairs = try measurement.scored(chosen.map(\.pair), tokenLimit: Self.tokenLimit)
        guard pairs.count > 1 else {
            throw .invalidOption(
                "\(pairs.count) items have a token to score on both sides, expected 2 or more")
        }
        self.items = pairs.places.map { chosen[$0] }
        self.engine = engine
        self.options = options
        self.dataHash = dataHash
    }

    /// Measures a profile at its recommended strength.
    ///
    /// - Parameter progress: called with (measurements done, total).
    package func receipt(
        of profile: SteeringProfile, progress: (Int, Int) -> Void = { _, _ in }
    ) throws(TillerError) -> ProfileReceipt {
        let strength = profile.recommendedStrength
        let controls = try self.controls(of: profile)
        let total = Self.doses.count + controls.reduce(0) { $0 + $1.profiles.count }
        var done = 0
        var curve: [(strength: Float, shifts: [Double])] = []
        for dose in Self.doses {
            curve.append(
                (dose * strength, try measurement.shifts(of: profile, strength: dose * strength, on: pairs)))
            done += 1
            progress(done, total)
        }
        let damage = meter.damage(of: profile, strength: strength)
        var figures: [(kind: ControlKind, figures: [ControlFigure])] = []
        for (kind, profiles) in controls {
            var found: [ControlFigure] = []
            for control in profiles {
                let start = found.last?.strength ?? abs(strength)
                found.append(try measure(control, costing: damage.divergence, start: start))
                done += 1
                progress(done, total)
            }
            figures.append((kind, found))
        }
        return ProfileReceipt(body: try record(profile, curve, damage, figures))
    }

    // MARK: - Measuring

    /// Neutral text other than the one that chose the profile's strength. Controls get strengths of equal KL on this text.
    private var meter: SideEffectMeter { measurement.calibration.measuring }

    private func measure(
        _ control: SteeringProfile, costing damage: Double, start: Float
    ) throws(TillerError) -> ControlFigure {
        let found = try measurement.shifts(of: control, on: pairs, costing: damage, start: start)
        return ControlFigure(
            strength: found.strength, effect: RunningMean(found.shifts).mean, damage: found.damage)
    }

    private func controls(of profile: SteeringProfile) throws(TillerError) -> [(
        kind: ControlKind, profiles: [SteeringProfile]
    )] {
        let maker = ControlMaker(profile: profile, seed: options.seed)
        let fewer = max(options.controlCount / 3, 1)
        var controls: [(ControlKind, [SteeringProfile])] = [
            (.random, (0..<options.controlCount).map { maker.random($0) }),
            (.shuffled, try shuffled(maker, count: fewer)),
        ]
        if profile.method.hasPrefix("expert-steer") {
            controls.append((.rotated, (0..<fewer).map { maker.rotated($0) }))
        }
        return controls.filter { !$0.1.isEmpty }
    }

    /// Mean differences of the items, read from the unsteered model, with sides swapped at random.
    private func shuffled(_ maker: ControlMaker, count: Int) throws(TillerError) -> [SteeringProfile] {
        let layers = Set(maker.profile.operations.map(\.layer)).sorted()
        guard maker.profile.operations.allSatisfy({ $0.width == nil }) else { return [] }
        let set = try TrainingSet(
            items.map(\.pair), maximumCount: items.count, engine: engine, limit: StateCapture.tokenLimit)
        let states = try StateCapture(engine: engine, layers: layers).capture(set) { _ in }
        let differences = layers.map { states.pairs(.answers, layer: $0).differences }
        return (0..<count).compactMap { index in
            var stream = RandomStream(seed: options.seed, part: 3 * index + 2)
            let directions = shuffledSums(of: differences, &stream).map { $0.map { Float($0) } }
            guard directions.allSatisfy({ $0.contains { $0 != 0 } }) else { return nil }
            return maker.with(Dictionary(uniqueKeysWithValues: zip(layers, directions)))
        }
    }

    // MARK: - The record

    private func record(
        _ profile: SteeringProfile, _ curve: [(strength: Float, shifts: [Double])], _ damage: Damage,
        _ controls: [(kind: ControlKind, figures: [ControlFigure])]
    ) throws(TillerError) -> JSON.Object {
        let groups = items.map(\.group)
        let shifts = curve[curve.count - 1].shifts
        let effect = GroupedDifferences(shifts, groups: groups)
        let strengths = curve.map { Double($0.strength) }
        let slopes = shifts.indices.map { item in
            slopeThroughZero(strengths, curve.map { $0.shifts[item] })
        }
        let slope = GroupedDifferences(slopes, groups: groups)
        let p = effect.permutationTest(seed: options.seed)
        let percentiles = controls.map { quantile(0.95, ofSorted: $0.figures.map(\.effect).sorted()) }
        let interval = effect.bootstrapInterval(seed: options.seed)
        let isDemonstrated =
            p <= 0.05 && interval.lowerBound > 0
            && percentiles.allSatisfy { effect.mean > $0 }
        var body = try identity(of: profile)
        body["items"] = .integer(items.count)
        body["groups"] = .integer(effect.groupCount)
        body["strength"] = .number(Double(profile.recommendedStrength))
        body["effect"] = .number(effect.mean)
        body["interval"] = json(interval)
        body["p"] = .number(p)
        body["anti_steered"] = .number(Double(shifts.count { $0 < 0 }) / Double(shifts.count))
        body["slope"] = .number(slope.mean)
        body["slope_interval"] = json(slope.bootstrapInterval(seed: options.seed))
        body["curve"] = .array(
            curve.map {
                ["strength": .number(Double($0.strength)), "effect": .number(RunningMean($0.shifts).mean)]
            })
        body["damage"] = [
            "kl": .number(damage.divergence),
            "perplexity": .number(exp(meter.plainLoss + damage.lossRise)),
            "plain_perplexity": .number(exp(meter.plainLoss)),
        ]
        var record: JSON.Object = [:]
        for ((kind, figures), percentile) in zip(controls, percentiles) {
            record[kind.rawValue] = [
                "percentile_95": .number(percentile),
                "effects": .array(figures.map { .number($0.effect) }),
                "strengths": .array(figures.map { .number(Double($0.strength)) }),
                "kl": .array(figures.map { .number($0.damage) }),
            ]
        }
        body["controls"] = .object(record)
        body["demonstrated"] = .bool(isDemonstrated)
        let texts = JSON.array(items.map(\.json))
        if texts.serializedBytes().count <= Self.keptByteCount { body["texts"] = texts }
        return body
    }

    /// The inputs that determine the figures.
    private func identity(of profile: SteeringProfile) throws(TillerError) -> JSON.Object {
        let digest: String
        do { digest = try profile.substanceDigest() } catch { throw .invalidProfile("\(error)") }
        return [
            "version": .integer(ProfileReceipt.version), "program": .string("tiller \(tillerVersion)"),
            "kernels": .string(engine.kernelName), "cache": .string("\(engine.cacheEncoding)"),
            "mathematics": .string(CLibraryResults.digest),
            "weights_sha256": .string(engine.file.weightsDigest), "profile_sha256": .string(digest),
            "data_sha256": .string(dataHash), "seed": .string("\(options.seed)"),
            "control_count": .integer(options.controlCount),
            "maximum_items": .integer(options.maximumItemCount),
        ]
    }

    /// JSON has no infinity, so the interval of a single group is null.
    private func json(_ interval: ClosedRange<Double>) -> JSON {
        interval.lowerBound.isFinite ? interval.json : .null
    }
}
