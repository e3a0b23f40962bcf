// SPDX-License-Identifier: Apache-2.0
// tiller profile compose: several profiles under one side-effect budget.

import ArgumentParser
import Commands
import JSON
import Tiller
import Training

struct ProfileComposeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compose",
        abstract: "Find strengths at which several profiles together stay within a KL budget.",
        discussion: """
            Prints a strength for each profile, to be given with --steer, the cost of each alone and of all together, \
            and the cosines between their effects on the states: profiles that act alike add up to more than intended.
            """)

    @Argument(help: "The model, a .tiller file.") var file: String
    @Argument(
        help: ArgumentHelp(
            "Two or more profiles; a weight is in units of the recommended strength.",
            valueName: "name[=weight]"))
    var profiles: [String]

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The budget: mean KL on neutral text, in nats per token.", valueName: "nats"))
    var damage = 0.05

    @Flag(help: "Print one JSON object.") var json = false

    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        let selection = try profiles.map { try AppliedProfile(parsing: $0) }
        let (engine, _) = try engineOptions.load(file)
        let result = try ProfileComposition(selection, engine: engine, budget: damage)
        if json { return printLine(result.json.serialized()) }
        let width = result.parts.map(\.name.count).max() ?? 0
        printLine("\("profile".padded(to: width))  strength  KL alone  cosines")
        for (part, row) in zip(result.parts, result.gram) {
            let cosines = row.map { (($0 < 0 ? "" : " ") + formatted($0, digits: 2)) }
            printLine(
                "\(part.name.padded(to: width))  \(formatted(Double(part.strength), digits: 3).padded(to: 8))  "
                    + "\(formatted(part.damage, digits: 4).padded(to: 8))  \(cosines.joined(separator: "  "))"
            )
        }
        let alone = result.parts.reduce(0) { $0 + $1.damage }
        printLine(
            "together \(formatted(result.spent, digits: 4)) of \(formatted(result.budget, digits: 4)) nats per token; on "
                + "other text \(formatted(result.damage, digits: 4)), where the profiles alone add up to "
                + formatted(alone, digits: 4))
        printLine(
            result.parts.map { "--steer \($0.name)=\(formatted(Double($0.strength), digits: 3))" }
                .joined(separator: " "))
    }
}
