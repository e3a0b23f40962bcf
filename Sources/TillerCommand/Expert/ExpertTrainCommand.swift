// SPDX-License-Identifier: Apache-2.0
// tiller expert train: a profile for one model, learned from another one.

import ArgumentParser
import Commands
import ExpertSteer
import Formats
import JSON
import LinearAlgebra
import Platform
import Steering
import Tiller

struct ExpertTrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a profile from an expert model and store it in the target's file.",
        discussion: """
            Both models read the same pairs and, with --texts, unlabelled texts. Measured are how well each layer of both \
            represents the concept (the expertise gap: an expert that is no better has nothing to teach) and the mutual \
            information of all layers. From this follow the pairs of layers, a direction for each, and a strength at which \
            unrelated text hardly changes.

            --align autoencoder with --pairing low is ExpertSteer as published (arXiv 2505.12313). Its code is tied to \
            nothing in the target, and in our measurements it steers no better than random directions. expert-score, \
            ridge, procrustes and anchored are tied to the target by texts that both models read, and find directions \
            of the target; expert-score, the default, needs no fitted map.
            """)

    @Argument(help: "The target, a .tiller file, to which the profile is added.") var file: String

    @OptionGroup(title: "Expert and data") var shared: SharedReadingOptions

    @Option(help: ArgumentHelp("The profile's name.", valueName: "name")) var name: String

    @Option(help: ArgumentHelp("How the expert's knowledge reaches the target.", valueName: "method"))
    var align = ExpertOptions(name: "").align

    @OptionGroup var method: ExpertMethodOptions

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Steered layers of the target, as in 10-18 or 8,12; by default chosen by effect, or, for the pairings "
                + "low and high, by information.", valueName: "layers"))
    var layers: String?

    @Option(help: ArgumentHelp("Write report.json and pictures (SVG) to this folder.", valueName: "folder"))
    var report: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("What the profile does, in a sentence.", valueName: "text"))
    var description = ""

    @Flag(help: "Replace a profile of the same name.") var force = false

    @Flag(help: "Print the report as one JSON object.") var json = false

    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        var options = try method.options(name: name, layers: layers, shared)
        options.description = description
        options.align = align
        try requireValid(profileName: name)
        try LinearAlgebra.load()
        try requireOwnModel(file)
        let (target, _) = try engineOptions.load(file)
        try target.requireFree(profileName: name, force: force)
        try ExpertTrainer.check(options, layerCount: target.model.configuration.layerCount)
        let folder = try report.map {
            try ReportFolder($0, apartFrom: [InputFile("the model", file)] + shared.inputs)
        }
        let progress = ExpertProgressBars()
        let reading = try shared.read(target: target, engineOptions: engineOptions, progress: progress)
        let gap = try shared.gap(reading, target: target, progress: progress)
        if !json { printLine(gapTable(gap, reading.states)) }
        let trainer = try ExpertTrainer(
            engine: target, options: options, reading: reading, progress: progress.show)
        let trained = try blaming(shared.reading.blamed) { try trainer.train(gap: gap) }
        progress.finish()
        if let folder { try write(trained.report, to: folder) }
        try TillerProfileStore.add(trained.profile, in: file, replacesExisting: force)
        if json {
            printLine(trained.report.json(profile: name).serialized())
        } else {
            printLine(trained.report.text)
            printLine(
                "trained '\(name)' on \(reading.states.pairCount) pairs and \(reading.states.textCount) texts, layers "
                    + "\(trained.profile.layersText); recommended strength \(trained.profile.recommendedStrength), up to "
                    + "\(trained.profile.maximumStrength)")
        }
    }

    private func write(_ report: ExpertReport, to folder: ReportFolder) throws {
        for picture in report.pictures { try folder.write(picture.document, as: picture.name) }
        try folder.write(report.json(profile: name).serialized() + "\n", as: "report.json")
    }
}

/// How to read the expert, and which of its layers to use.
struct ExpertMethodOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Which expert layer is paired with a target layer: the one with the least or most mutual information, the "
                + "one at the same depth, a random one, or all.", valueName: "policy"))
    var pairing = ExpertOptions(name: "").pairing

    @Option(help: ArgumentHelp("How the concept's direction is found in the states.", valueName: "method"))
    var vector = ExpertOptions(name: "").vector

    func options(name: String, layers: String?, _ shared: SharedReadingOptions) throws -> ExpertOptions {
        var options = ExpertOptions(name: name)
        options.pairing = pairing
        options.vector = vector
        options.layers = try layers.map(parseLayers)
        options.seed = shared.seed
        options.maximumPairCount = shared.maxPairs
        options.maximumTextCount = shared.maxTexts
        return options
    }
}

extension ExpertAlignment: ExpressibleByArgument {}
extension PairingPolicy: ExpressibleByArgument {}
