// SPDX-License-Identifier: Apache-2.0
// From arguments to requests; ranges are checked where the requests are run.

import Commands
import Tiller

extension GivenArguments {
    func settings() throws -> EngineSettings {
        EngineSettings(
            threads: try number(.threads), kernels: text(.kernels),
            cache: text(.cache).flatMap(Engine.CacheType.init), resident: try number(.resident))
    }

    /// What was asked for, or what the bundle was made with; "off" there means no steering.
    func steering() throws -> [Steer] {
        let texts = texts(.steer)
        guard let bundle else { return try texts.map { try Steer(parsing: $0) } }
        if texts == ["off"] { return [] }
        // A bundle's choice is one of its own model's profiles.
        guard texts.isEmpty, !has(.model) else { return try texts.map { try Steer(parsing: $0) } }
        return bundle.settings.steering.map { Steer($0.name, strength: $0.strength) }
    }

    func sampling() throws -> SamplingOptions {
        var options = SamplingOptions()
        options.temperature = try number(.temperature) ?? options.temperature
        options.topK = try number(.topK) ?? options.topK
        options.topP = try number(.topP) ?? options.topP
        options.minP = try number(.minP) ?? options.minP
        options.repetitionPenalty = try number(.repetitionPenalty) ?? 1
        options.presencePenalty = try number(.presencePenalty) ?? 0
        options.frequencyPenalty = try number(.frequencyPenalty) ?? 0
        try options.setSeed(number(.seed))
        try options.setLogitBias(parsing: texts(.logitBias))
        try options.validate()
        return options
    }

    /// The number of `--max-tokens`.
    func maximumTokens(_ option: OptionDeclaration, usual: Int, least: Int) throws -> Int {
        let count = try number(option) ?? usual
        guard count >= least else {
            throw usageError("--max-tokens is \(count), expected \(least) or more")
        }
        return count
    }
}

extension ChatRequest {
    init(_ given: GivenArguments) throws {
        self.init(file: try given.file())
        system = given.text(.chatSystem) ?? given.bundle?.settings.system
        context = try given.number(.chatContext)
        sessionFile = given.text(.chatSession)
        signer = given.text(.requireSignedBy).map { RequiredSigner(name: $0) }
        overcommits = given.has(.overcommit)
        generation.sampling = try given.sampling()
        generation.maximumTokens = try given.maximumTokens(.answerTokens, usual: 1024, least: 1)
        generation.stopStrings = given.texts(.stop)
        generation.maximumDivergence = try damageCap(given.number(.maximumDivergence))
        steering = try given.steering()
        engine = try given.settings()
    }
}

extension GenerateRequest {
    init(_ given: GivenArguments) throws {
        self.init(file: try given.file(), prompt: given.text(.prompt) ?? "")
        isChat = given.has(.chat)
        system = given.text(.generateSystem) ?? (isChat ? given.bundle?.settings.system : nil)
        context = try given.number(.generateContext)
        sessionFile = given.text(.generateSession)
        signer = given.text(.requireSignedBy).map { RequiredSigner(name: $0) }
        parsesSpecial = given.has(.special)
        overcommits = given.has(.overcommit)
        printsJSON = given.has(.generateJSON)
        generation.sampling = try given.sampling()
        generation.maximumTokens = try given.maximumTokens(.generatedTokens, usual: 256, least: 0)
        generation.stopStrings = given.texts(.stop)
        generation.reportsLogProbabilities = given.has(.logprobs)
        guard printsJSON || !generation.reportsLogProbabilities else {
            throw given.usageError("--logprobs needs --json")
        }
        generation.maximumDivergence = try damageCap(given.number(.maximumDivergence))
        steering = try given.steering()
        engine = try given.settings()
    }
}

extension InspectRequest {
    init(_ given: GivenArguments) throws {
        self.init(file: try given.file())
        context = try given.number(.inspectContext) ?? context
        resident = try given.number(.resident)
        listsTensors = given.has(.tensors)
        printsJSON = given.has(.json)
    }
}

extension VerifyRequest {
    init(_ given: GivenArguments) throws {
        self.init(file: try given.file())
        signer = given.text(.signedBy).map { RequiredSigner(name: $0) }
        printsJSON = given.has(.json)
    }
}

extension BenchRequest {
    init(_ given: GivenArguments) throws {
        self.init(file: given.bundle == nil ? given.files.first : try given.file())
        options.promptTokens = try given.number(.benchPromptTokens) ?? options.promptTokens
        options.generatedTokens = try given.number(.benchGeneratedTokens) ?? options.generatedTokens
        options.depth = try given.number(.depth) ?? options.depth
        options.repetitions = try given.number(.repetitions) ?? options.repetitions
        options.steering = try given.texts(.steer).map { try Steer(parsing: $0) }
        options.maximumDivergence = try damageCap(given.number(.maximumDivergence))
        measuresOperations = given.has(.operations)
        printsJSON = given.has(.json)
        engine = try given.settings()
    }
}
