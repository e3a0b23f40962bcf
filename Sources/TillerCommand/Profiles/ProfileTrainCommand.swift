// SPDX-License-Identifier: Apache-2.0
// tiller profile train: learns a profile from contrastive pairs and stores it in the model's file.

import ArgumentParser
import Commands
import Directions
import Evaluation
import Formats
import Platform
import Steering
import Terminal
import Tiller
import Training

struct ProfileTrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Train a profile from contrastive pairs and store it in the file.",
        discussion: """
            Pairs are JSON lines {"positive": …, "negative": …} with an optional "prompt" that both sides answer. \
            Hidden states are computed with the file's own weights. Where the concept is read and which layers are \
            steered is chosen on a part of the pairs; the strength is calibrated so that text unrelated to the profile \
            hardly changes.
            """)

    @Argument(help: "The model, a .tiller file.") var file: String

    @Option(
        help: ArgumentHelp("JSON lines with prompt (optional), positive and negative.", valueName: "path"))
    var pairs: String

    @Option(help: ArgumentHelp("The profile's name.", valueName: "name")) var name: String

    @Option(help: ArgumentHelp("How the direction is found.", valueName: "method"))
    var method = DirectionMethod.meanDifference

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Steered layers, as in 10-18 or 8,12; by default chosen by effect.", valueName: "layers"))
    var layers: String?

    @Option(
        help: ArgumentHelp(
            "Where the concept is read: answers (all tokens of a side), last (its last one) or prompts (those with one "
                + "of two fixed answers, compared with those with the other); by default chosen by effect."))
    var source: StateSource?

    @Option(help: "Use at most this many pairs, spread evenly over the file.")
    var maxPairs = TrainingOptions(name: "").maximumPairCount

    @Option(
        help: ArgumentHelp(
            "What is done with the direction; head-add learns new ones from the outputs of attention heads.",
            valueName: "operation"))
    var operation = TrainedOperation.add

    @Option(
        help: ArgumentHelp(
            "Where it steers; all operations but add and project-out act only on residual.", valueName: "site"
        ))
    var site = SteeringProfile.Site.residual

    @Option(help: ArgumentHelp("When it steers.", valueName: "phase")) var phase = SteeringProfile.Phase.both

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Do not steer this many positions at the beginning of a text; by default 0 for add and head-add, 1 for others.",
            valueName: "n"))
    var spare: Int?

    @Flag(help: "Keep the norm of steered states.") var keepNorm = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("What the profile does, in a sentence.", valueName: "text"))
    var description = ""

    @Flag(help: "Replace a profile of the same name.") var force = false

    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        var options = TrainingOptions(name: name)
        options.description = description
        options.method = method
        options.layers = try layers.map(parseLayers)
        options.source = source
        options.maximumPairCount = maxPairs
        options.site = site
        options.operation = operation
        options.phase = phase
        if let spare { try require(spare, in: 0...1 << 20, option: "--spare") }
        options.sparedPositions = spare
        options.keepsNorm = keepNorm
        try requireValid(profileName: name)
        let (rows, data) = try readPairs(path: pairs)
        try requireOwnModel(file)
        let (engine, _) = try engineOptions.load(file)
        try engine.requireFree(profileName: name, force: force)
        let trainer = try ProfileTrainer(engine: engine, options: options)
        let capture = ProgressBar(label: "read \(name)", total: min(rows.count, maxPairs))
        var fit: ProgressBar?
        let choice = ProgressBar(label: "choose \(name)", total: 1)
        let heads = ProgressBar(label: "heads of \(name)", total: 1)
        var hasChosen = false
        let profile = try blaming(pairs) {
            try trainer.train(on: rows, dataHash: SHA256.digest(of: data).description) { event in
                switch event {
                case .capturing(let pair, let count):
                    capture.update(pair, total: count)
                    if pair == count { capture.finish() }
                case .fitting(let direction, let count):
                    let bar = fit ?? ProgressBar(label: "fit \(name)", total: count)
                    bar.update(direction)
                    if direction == count { bar.finish() }
                    fit = direction == count ? nil : bar
                case .choosing(let candidate, let count):
                    choice.update(candidate - 1, total: count)
                    hasChosen = true
                case .readingHeads(let pair, let count):
                    if pair == 1, hasChosen { choice.finish() }
                    heads.update(pair, total: count)
                    if pair == count { heads.finish() }
                }
            }
        }
        if hasChosen { choice.finish() }
        try TillerProfileStore.add(profile, in: file, replacesExisting: force)
        printLine(
            "trained '\(name)' on \(profile.provenance["pairs"]?.intValue ?? rows.count) pairs, read in "
                + "\(profile.evaluation["source"]?.stringValue ?? "answers"), layers \(profile.layersText); "
                + "recommended strength \(profile.recommendedStrength), up to \(profile.maximumStrength)")
    }
}

/// Parses lists of layers such as 10-18 or 3,7,9-11.
func parseLayers(_ text: String) throws -> [Int] {
    var layers: [Int] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
        let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        switch (ends.count, ends.first ?? nil, ends.last ?? nil) {
        case (1, .some(let layer), _): layers.append(layer)
        case (2, .some(let first), .some(let last)) where first <= last && last - first < 1024:
            layers += first...last
        default:
            throw TillerError.invalidOption(
                "'\(text)' is not a list of layers, expected one as in 10-18 or 3,7")
        }
    }
    return layers
}

extension DirectionMethod: ExpressibleByArgument {}
extension SteeringProfile.Phase: ExpressibleByArgument {}
extension StateSource: ExpressibleByArgument {}
extension TrainedOperation: ExpressibleByArgument {}
extension SteeringProfile.Site: ExpressibleByArgument {
    /// The sites' names on the command line; profiles use camel case.
    private static let names: [(name: String, site: Self)] = [
        ("residual", .residual), ("attention-output", .attentionOutput),
        ("feed-forward-output", .feedForwardOutput),
    ]

    package init?(argument: String) {
        guard let entry = Self.names.first(where: { $0.name == argument }) else { return nil }
        self = entry.site
    }

    package static var allValueStrings: [String] { names.map(\.name) }
    package var defaultValueDescription: String { Self.names.first { $0.site == self }?.name ?? rawValue }
}
