// SPDX-License-Identifier: Apache-2.0
// Repeats a receipt's measurement: every figure must be bit-identical, with any kernels.

import Evaluation
import Formats
import JSON
import Steering
import Tiller

/// Checks a profile's receipt against the running model.
package struct ReceiptVerification: Sendable {
    package enum Outcome: Sendable, Equatable {
        /// All figures are bit-identical.
        case identical
        /// All figures are within the tolerance, for the given reason. The largest difference is in its figure's own units.
        case close(largestDifference: Double, Leniency)
    }

    /// Why bits may differ.
    package enum Leniency: String, Sendable {
        /// The C library computes other results; see `CLibraryResults`.
        case mathematics = "another mathematical library"
        case program = "another version of the program"
    }

    package let outcome: Outcome
    package let isDemonstrated: Bool

    /// Kernels of every instruction set give the same bits. If a library function differs in its last bit, some roundings
    /// to 8 bits differ, and the search for a strength may amplify that to some percent of the strength and of the
    /// effect. Figures may differ by this much in their own unit (nats, for example) plus this share of their value.
    package static let tolerance = (absolute: 0.02, relative: 0.1)

    /// - Parameters:
    ///   - items: the receipt's items and their SHA-256; nil takes the texts that the receipt stores.
    ///   - progress: called with (measurements done, total).
    /// - Throws: `TillerError.invalidProfile` where profile, receipt, model or items do not belong together, or where a
    ///   figure cannot be reproduced.
    package init(
        of profile: SteeringProfile, engine: Engine, items: (list: [EvaluationItem], hash: String)? = nil,
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws(TillerError) {
        let stored: ProfileReceipt
        do {
            guard let receipt = try ProfileReceipt(of: profile) else {
                throw SteeringError("'\(profile.name)' has no receipt; 'tiller profile evaluate' makes one")
            }
            try receipt.requireProfile(profile)
            try receipt.requireWeights(of: engine.file, profileName: profile.name)
            stored = receipt
        } catch { throw .invalidProfile("\(error)") }
        try Self.requireCache(of: stored, profile, engine)
        let (list, hash) = try Self.items(of: stored, profile, given: items)
        var options = ReceiptOptions()
        guard let seed = stored.body["seed"]?.stringValue.flatMap({ UInt64($0) }),
            let controls = stored.body["control_count"]?.intValue,
            let maximum = stored.body["maximum_items"]?.intValue, maximum > 0
        else { throw .invalidProfile("the receipt of '\(profile.name)' does not say how it was made") }
        (options.seed, options.controlCount, options.maximumItemCount) = (seed, controls, maximum)
        let measurement: ReceiptMeasurement
        do {
            measurement = try ReceiptMeasurement(
                engine: engine, items: list, dataHash: hash, options: options)
        } catch { throw .invalidProfile("the receipt of '\(profile.name)' cannot be run again: \(error)") }
        let fresh = try measurement.receipt(of: profile, progress: progress)
        isDemonstrated = fresh.isDemonstrated
        outcome = try Self.compare(stored.body, with: fresh.body, of: profile)
    }

    /// Compares a receipt with a new one of the same profile.
    package static func compare(
        _ stored: JSON.Object, with fresh: JSON.Object, of profile: SteeringProfile
    ) throws(TillerError) -> Outcome {
        let leniency: Leniency? =
            fresh["program"] != stored["program"]
            ? .program : fresh["mathematics"] != stored["mathematics"] ? .mathematics : nil
        guard let leniency else {
            var (a, b) = (stored, fresh)
            (a["kernels"], b["kernels"]) = (nil, nil)
            guard let path = firstDifference(.object(a), .object(b), "") else { return .identical }
            throw .invalidProfile(
                "the receipt of '\(profile.name)' is not reproduced: \(path); it was not made by this program "
                    + "from this profile")
        }
        var largest = 0.0
        for key in figures {
            if let path = firstBeyondTolerance(stored[key] ?? .null, fresh[key] ?? .null, key, &largest) {
                throw .invalidProfile(
                    "the receipt of '\(profile.name)' was made with \(leniency.rawValue), and differs by more than the "
                        + "tolerance for that: \(path)")
            }
        }
        return .close(largestDifference: largest, leniency)
    }

    /// The figures with a tolerance where bits may differ; p is not among them, since it is a rank.
    private static let figures = [
        "items", "groups", "strength", "effect", "interval", "slope", "anti_steered", "curve", "damage",
    ]

    /// Checks the KV cache's encoding, since another encoding changes the figures.
    private static func requireCache(
        of receipt: ProfileReceipt, _ profile: SteeringProfile, _ engine: Engine
    ) throws(TillerError) {
        let made = receipt.body["cache"]?.stringValue ?? ""
        guard made != "\(engine.cacheEncoding)" else { return }
        let option = Engine.CacheType.allCases.first { "\($0.encoding)" == made }
        throw .invalidOption(
            "the receipt of '\(profile.name)' was made with a cache of \(made), here it is \(engine.cacheEncoding)"
                + (option.map { "; use --cache \($0.rawValue)" } ?? ""))
    }

    private static func items(
        of receipt: ProfileReceipt, _ profile: SteeringProfile, given: (list: [EvaluationItem], hash: String)?
    ) throws(TillerError) -> ([EvaluationItem], String) {
        let hash = receipt.body["data_sha256"]?.stringValue ?? ""
        if let given {
            guard given.hash == hash else {
                throw .invalidProfile(
                    "the receipt of '\(profile.name)' was made with other items (\(hash.prefix(12))…, these are "
                        + "\(given.hash.prefix(12))…)")
            }
            return (given.list, hash)
        }
        guard let texts = receipt.body["texts"]?.arrayValue else {
            throw .invalidOption(
                "the receipt of '\(profile.name)' is too large to keep its items; give them with --items")
        }
        var items: [EvaluationItem] = []
        for text in texts {
            guard let positive = text["positive"]?.stringValue, let negative = text["negative"]?.stringValue,
                let group = text["group"]?.stringValue
            else { throw .invalidProfile("the receipt of '\(profile.name)' holds an invalid item") }
            let pair = ContrastivePair(
                prompt: text["prompt"]?.stringValue, positive: positive, negative: negative)
            items.append(EvaluationItem(pair: pair, group: group))
        }
        return (items, hash)
    }

    /// The first difference between two receipts, with both values.
    private static func firstDifference(_ a: JSON, _ b: JSON, _ path: String) -> String? {
        guard a != b else { return nil }
        if let x = a.objectValue, let y = b.objectValue {
            for key in Set(x.keys + y.keys).sorted() {
                let name = path.isEmpty ? key : "\(path).\(key)"
                if let found = firstDifference(x[key] ?? .null, y[key] ?? .null, name) { return found }
            }
        }
        if let x = a.arrayValue, let y = b.arrayValue, x.count == y.count {
            for index in x.indices {
                if let found = firstDifference(x[index], y[index], "\(path)[\(index)]") { return found }
            }
        }
        return "\(path) is \(a.serialized().prefix(40)), measured \(b.serialized().prefix(40))"
    }

    private static func firstBeyondTolerance(_ a: JSON, _ b: JSON, _ path: String, _ largest: inout Double)
        -> String?
    {
        if let x = a.objectValue, let y = b.objectValue, x.count == y.count {
            for member in x.members {
                let other = y[member.key] ?? .null
                if let found = firstBeyondTolerance(member.value, other, "\(path).\(member.key)", &largest) {
                    return found
                }
            }
            return nil
        }
        if let x = a.arrayValue, let y = b.arrayValue, x.count == y.count {
            for index in x.indices {
                if let found = firstBeyondTolerance(x[index], y[index], "\(path)[\(index)]", &largest) {
                    return found
                }
            }
            return nil
        }
        if let x = a.doubleValue, let y = b.doubleValue {
            largest = max(largest, abs(x - y))
            if abs(x - y) <= tolerance.absolute + tolerance.relative * max(abs(x), abs(y)) { return nil }
        } else if a == b {
            return nil
        }
        return "\(path) is \(a.serialized().prefix(40)), measured \(b.serialized().prefix(40))"
    }
}
