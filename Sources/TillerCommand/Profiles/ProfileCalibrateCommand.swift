// SPDX-License-Identifier: Apache-2.0
// tiller profile calibrate: measures a profile's recommended strength and its safe range.

import ArgumentParser
import Commands
import Formats
import JSON
import Platform
import Steering
import Terminal
import Tiller
import Training

struct ProfileCalibrateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibrate", abstract: "Find a profile's best strength and its safe range.",
        usage: "tiller profile calibrate <file> <name> --validation <path>",
        discussion: """
            Strengths of both signs are tried: their effect on the validation pairs, and their cost on neutral text (mean \
            KL divergence in nats per token). The one with the greatest effect within the budget is recommended; the safe \
            range ends where text falls apart. Both are stored in the profile, with the curve.
            """)

    @Argument(help: "The model, a .tiller file.") var file: String
    @Argument(help: "The profile's name.") var name: String

    @Option(
        help: ArgumentHelp(
            "JSON lines with prompt (optional), positive and negative, that the profile was not trained on.",
            valueName: "path"))
    var validation: String

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The budget: mean KL on neutral text, in nats per token.", valueName: "nats"))
    var damage = 0.05

    @Option(parsing: .unconditional, help: "Score at most this many pairs, spread evenly over the file.")
    var maxPairs = 96

    @Option(
        help: ArgumentHelp(
            "A folder for the curve as a picture and as JSON; created if missing.", valueName: "dir")
    )
    var report: String?

    @Flag(help: "Print one JSON object.") var json = false

    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        try require(maxPairs, in: 1...1 << 20, option: "--max-pairs")
        try require(damage, in: 0.001...1, option: "--damage")
        let (pairs, data) = try readPairs(path: validation)
        let folder = try report.map {
            try ReportFolder(
                $0, apartFrom: [InputFile("the model", file), InputFile("--validation", validation)])
        }
        try requireOwnModel(file)
        let (engine, _) = try engineOptions.load(file)
        let profile = try engine.profile(named: name)
        let calibrator = try blaming(validation) {
            try ProfileCalibrator(engine: engine, pairs: pairs, budget: damage, maximumPairCount: maxPairs)
        }
        let bar = ProgressBar(label: "calibrate \(name)", total: 1)
        let result = try calibrator.calibrate(profile) { bar.update($0, total: $1) }
        bar.finish()
        let changed = result.applied(to: profile, dataHash: SHA256.digest(of: data).description)
        if let folder {
            try folder.write(result.picture(name: name), as: "\(name).calibration.svg")
            try folder.write(
                JSON.object(result.json).serialized(pretty: true) + "\n", as: "\(name).calibration.json")
        }
        // The user has already accepted a profile of another source.
        try TillerProfileStore.add(changed, in: file, replacesExisting: true, acceptsOtherSource: true)
        if json { printLine(JSON.object(result.json).serialized()) } else { show(result, changed) }
    }

    private func show(_ result: ProfileCalibration, _ profile: SteeringProfile) {
        printLine("strength    effect  95 % interval         KL    rise of −ln P")
        for point in result.points {
            let ends = [point.interval.lowerBound, point.interval.upperBound].map {
                signed($0).padded(to: 8)
            }
            let mark = point.strength == result.recommended?.strength ? "  recommended" : ""
            printLine(
                signed(Double(point.strength)).padded(to: 10) + "  " + signed(point.effect).padded(to: 8)
                    + ends.joined(separator: " … ") + "  "
                    + formatted(point.damage, digits: 4).padded(to: 8)
                    + signed(point.lossRise).padded(to: 8) + mark)
        }
        if let recommended = result.recommended {
            let isCertain = recommended.interval.lowerBound > 0
            printLine(
                "recommended \(profile.recommendedStrength), safe \(profile.minimumStrength) … "
                    + "\(profile.maximumStrength)"
                    + (isCertain ? "" : "; its effect is not significant on these pairs"))
        } else {
            printLine(
                "no strength within \(damage) nats moves these pairs to their positive side; '\(name)' keeps "
                    + "\(profile.recommendedStrength), safe \(profile.minimumStrength) … \(profile.maximumStrength)"
            )
        }
    }

    private func signed(_ value: Double) -> String {
        (value < 0 ? "" : "+") + formatted(value, digits: 4)
    }
}
