// SPDX-License-Identifier: Apache-2.0
// tiller profile evaluate and verify: makes a profile's receipt, and reproduces it.

import ArgumentParser
import Commands
import Evaluation
import Formats
import JSON
import Platform
import Steering
import Terminal
import Tiller
import Training

struct ProfileEvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Measure a profile against negative controls, and store a receipt.",
        discussion: """
            Effect, dose-response and damage (KL on neutral text) of the recommended strength are measured on items \
            that the profile was not trained on, and compared with random directions, shuffled labels and, for a profile \
            from an expert, random rotations, all at the same damage. A profile that does not beat them is listed as \
            "not demonstrated". The receipt is stored in the profile; 'tiller profile verify' runs it again.
            """)

    @Argument(help: "The model, a .tiller file.") var file: String
    @Argument(help: "The profile's name.") var name: String

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "JSON lines with prompt (optional), positive, negative and group (optional: rows that belong together).",
            valueName: "path"))
    var items: String

    @Option(parsing: .unconditional, help: ArgumentHelp("The seed of all random choices.", valueName: "n"))
    var seed: UInt64 = 1

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Random directions; a third as many of each other control.", valueName: "n"))
    var controls = ReceiptOptions().controlCount

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Score at most this many items, spread evenly over the file.", valueName: "n"))
    var maxItems = ReceiptOptions().maximumItemCount

    @Flag(help: "Print one JSON object.") var json = false

    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        try require(controls, in: ReceiptOptions.leastControlCount...1000, option: "--controls")
        try require(maxItems, in: 2...1 << 20, option: "--max-items")
        let (list, hash) = try readEvaluationItems(path: items)
        try requireOwnModel(file)
        let (engine, _) = try engineOptions.load(file)
        let profile = try engine.profile(named: name)
        var options = ReceiptOptions()
        (options.seed, options.controlCount, options.maximumItemCount) = (seed, controls, maxItems)
        let measurement = try blaming(items) {
            try ReceiptMeasurement(engine: engine, items: list, dataHash: hash, options: options)
        }
        let bar = ProgressBar(label: "evaluate \(name)", total: 1)
        let receipt = try measurement.receipt(of: profile) { bar.update($0, total: $1) }
        bar.finish()
        // The user has already accepted a profile of another source.
        try TillerProfileStore.add(
            profile.with(receipt), in: file, replacesExisting: true, acceptsOtherSource: true)
        if json { printLine(receipt.sealed.serialized()) } else { receipt.lines.forEach { printLine($0) } }
    }
}

struct ProfileVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Run the receipts of profiles again and compare.",
        discussion: """
            Every figure must be the same to the bit, with any instruction set and any number of threads. Only if the \
            receipt was made by another version of the program or with another mathematical library (as on a processor \
            without fused multiply-add), figures may differ by \(ReceiptVerification.tolerance.absolute) and \
            \(Int(ReceiptVerification.tolerance.relative * 100)) % of themselves. A changed profile or receipt, \
            other weights, and another type of cache are refused.
            """)

    @Argument(help: "The model, a .tiller file.") var file: String
    @Argument(help: "The profile's name; by default all that have receipts.") var name: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The items, where the receipt is too large to keep them.", valueName: "path"))
    var items: String?

    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        let given = try items.map { try readEvaluationItems(path: $0) }
        let (engine, _) = try engineOptions.load(file)
        var profiles = try engine.profileNames.map { try engine.profile(named: $0) }
        if let name {
            profiles = [try engine.profile(named: name)]
        } else {
            profiles = profiles.filter { $0.evaluation["receipt"] != nil }
            guard !profiles.isEmpty else {
                throw TillerError.invalidProfile("no profile of \(file) has a receipt")
            }
        }
        for profile in profiles {
            let bar = ProgressBar(label: "verify \(profile.name)", total: 1)
            let result = try ReceiptVerification(
                of: profile, engine: engine, items: given.map { ($0.items, $0.hash) }
            ) { bar.update($0, total: $1) }
            bar.finish()
            let label = result.isDemonstrated ? "demonstrated" : "not demonstrated"
            switch result.outcome {
            case .identical: printLine("\(profile.name): verified, all figures are identical; \(label)")
            case .close(let difference, let leniency):
                printLine(
                    "\(profile.name): verified within the tolerance for \(leniency.rawValue), largest difference "
                        + "\(formatted(difference, digits: 4)); \(label)")
            }
        }
    }
}

extension ProfileReceipt {
    /// The receipt's figures for people.
    var lines: [String] {
        func number(_ json: JSON?, _ digits: Int = 3) -> String {
            json?.doubleValue.map { formatted($0, digits: digits) } ?? "?"
        }
        func range(_ json: JSON?) -> String {
            guard let ends = json?.arrayValue, ends.count == 2 else { return "no interval from one group" }
            return "\(number(ends[0])) … \(number(ends[1]))"
        }
        let share = (body["anti_steered"]?.doubleValue ?? 0) * 100
        var lines = [
            "receipt      \(isDemonstrated ? "demonstrated" : "not demonstrated"), strength \(number(body["strength"], 2)), "
                + "\(number(body["items"], 0)) items in \(number(body["groups"], 0)) groups, seed "
                + (body["seed"]?.stringValue ?? "?").printableLine,
            "  effect     \(number(body["effect"])) nats per token (\(range(body["interval"]))), p = \(number(body["p"], 4)), "
                + "\(formatted(share, digits: 0)) % of the items go the other way",
            "  slope      \(number(body["slope"])) nats per unit of strength (\(range(body["slope_interval"])))",
            "  damage     \(number(body["damage"]?["kl"], 4)) nats per token, perplexity \(number(body["damage"]?["plain_perplexity"], 2)) "
                + "→ \(number(body["damage"]?["perplexity"], 2)) on neutral text",
        ]
        for (kind, word) in [
            ("random", "random directions"), ("shuffled", "shuffled labels"), ("rotated", "random rotations"),
        ] {
            guard let control = body["controls"]?[kind], let effects = control["effects"]?.arrayValue else {
                continue
            }
            lines.append(
                "  controls   \(effects.count) \(word) at equal damage: 95 % below \(number(control["percentile_95"]))"
            )
        }
        lines.append(
            "  made by    \((body["program"]?.stringValue ?? "?").printableLine), \((body["kernels"]?.stringValue ?? "?").printableLine), "
                + "items \((body["data_sha256"]?.stringValue ?? "?").prefix(12).description.printableLine)…")
        return lines
    }
}
