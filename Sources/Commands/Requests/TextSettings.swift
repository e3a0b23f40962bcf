// SPDX-License-Identifier: Apache-2.0
// Settings that `chat` and `generate` share: model, context, steering and sampling.

import Formats
import Tiller

/// A model for generating text, and how to generate.
package struct TextSettings: Sendable {
    var file = ""
    /// Sampling, length, stop texts, and whether to report ln P.
    var generation = GenerationOptions()
    var steering = SteeringChoice()
    var engine = EngineSettings()
    /// Context length in tokens; nil takes the default.
    var context: Int?
    let usualContext: Int
    /// Whether to load the model even if memory is predicted to be too small.
    var overcommits = false
    /// A file that saves the session's state; nil for none.
    var sessionFile: String?
    /// The key that must have signed the model; nil for none.
    var signer: String?

    init(maximumTokens: Int, usualContext: Int) {
        generation.maximumTokens = maximumTokens
        self.usualContext = usualContext
    }

    /// Refuses numbers out of range.
    func check(leastTokens: Int) throws {
        guard generation.maximumTokens >= leastTokens else {
            throw UsageError("--max-tokens is \(generation.maximumTokens), expected \(leastTokens) or more")
        }
        try generation.sampling.check()
        try steering.check()
    }

    /// Loads the model and steers it; returns a session without tokens, and the load time in seconds.
    func open(_ signatures: SignatureChecks?) throws -> (session: Session, loadSeconds: Double) {
        let (engine, seconds) = try engine.load(
            file, context: context ?? usualContext, overcommits: overcommits,
            signatures: signer.flatMap { try signatureCheck(signatures, requiring: $0) })
        let session = try engine.makeSession(contextLength: engine.context(context, usual: usualContext))
        try session.steer(steering.profiles)
        try engine.warn(about: steering.profiles)
        return (session, seconds)
    }

    /// The generation options as given; in a conversation, generation also ends with the model's turn.
    func options(of engine: Engine, isConversation: Bool) -> GenerationOptions {
        var options = generation
        options.maximumDivergence = steering.maximumDivergence
        options.stopStrings += isConversation ? engine.turnStops : []
        return options
    }
}

/// A command that generates text.
protocol TextRequest: CommandRequest {
    var settings: TextSettings { get set }
}

extension TextRequest {
    package static var sections: [OptionSection<Self>] {
        [
            OptionSection(\.settings.generation.sampling), OptionSection(\.settings.steering),
            OptionSection(\.settings.engine), OptionSection(),
        ]
    }

    static var stop: CommandOption<Self> {
        .several("stop", "text", "Stop before this text or special token; may be given several times.") {
            $1.settings.generation.stopStrings = $0
        }
    }
    static var overcommit: CommandOption<Self> {
        .flag("overcommit", "Run even if memory is predicted to be too small.", \.settings.overcommits)
    }
    static var requiredSigner: CommandOption<Self> {
        .value(
            "require-signed-by", "name",
            "Run the file only if this key signed it and every byte is unchanged; only 'tiller' can check.",
            \.settings.signer, kind: .word)
    }
}
