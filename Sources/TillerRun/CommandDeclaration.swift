// SPDX-License-Identifier: Apache-2.0
// The commands as data: what each accepts, and what it does with it.

import Commands

/// A command of `tiller-run`.
struct CommandDeclaration: Sendable {
    /// Options under a title.
    struct Group: Sendable {
        let title: String
        let options: [OptionDeclaration]
    }

    let text: CommandText
    /// Whether a model's file must be named; nil where it may be.
    let needsFile: Bool
    let groups: [Group]
    let run: @Sendable (GivenArguments) throws -> Void

    var options: [OptionDeclaration] { groups.flatMap(\.options) }

    static let all: [CommandDeclaration] = [chat, generate, inspect, verify, bench]

    private static let sampling = Group(title: "SAMPLING", options: OptionDeclaration.sampling)
    private static let steering = Group(title: "STEERING", options: OptionDeclaration.steering)
    private static let machine = Group(title: "MACHINE", options: OptionDeclaration.machine)

    private static func own(_ options: [OptionDeclaration]) -> Group {
        Group(title: "OPTIONS", options: options)
    }

    static let chat = CommandDeclaration(
        text: .chat, needsFile: true,
        groups: [
            sampling, steering, machine,
            own([
                .chatSystem, .chatContext, .answerTokens, .stop, .chatSession, .overcommit, .requireSignedBy,
            ]),
        ],
        run: { try ChatRequest($0).run() })

    static let generate = CommandDeclaration(
        text: .generate, needsFile: true,
        groups: [
            sampling, steering, machine,
            own([
                .prompt, .chat, .generateSystem, .generatedTokens, .stop, .generateContext, .special,
                .logprobs,
                .generateSession, .overcommit, .requireSignedBy, .generateJSON,
            ]),
        ],
        run: { try GenerateRequest($0).run() })

    static let inspect = CommandDeclaration(
        text: .inspect, needsFile: true, groups: [own([.inspectContext, .resident, .tensors, .json])],
        run: { try InspectRequest($0).run() })

    static let verify = CommandDeclaration(
        text: .verify, needsFile: true, groups: [own([.json, .signedBy])],
        run: { try VerifyRequest($0).run() })

    static let bench = CommandDeclaration(
        text: .bench, needsFile: false,
        groups: [
            steering, machine,
            own([.benchPromptTokens, .benchGeneratedTokens, .depth, .repetitions, .operations, .json]),
        ],
        run: { try BenchRequest($0).run() })
}
