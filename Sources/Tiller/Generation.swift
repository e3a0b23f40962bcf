// SPDX-License-Identifier: Apache-2.0
// Generating text: draw a token, show its text, evaluate it, until something says stop.

import Platform
import Tokenization

/// What to generate and when to stop.
public struct GenerationOptions: Sendable {
    public var sampling = SamplingOptions()
    /// The most tokens to generate.
    public var maximumTokens = 512
    /// Generation ends before any of these texts.
    public var stopStrings: [String] = []
    /// Ignores the tokens that end a turn, as benchmarks do.
    public var ignoresEndOfGeneration = false
    /// Shows special tokens as text.
    public var showsSpecialTokens = false
    /// Reports the natural logarithm of each drawn token's probability, before penalties and temperature.
    public var reportsLogProbabilities = false

    public init() {}
}

/// One generated token.
public struct GeneratedToken: Sendable {
    public let token: Int32
    /// The text that became certain with this token; may be empty inside a character or a possible stop string.
    public let text: String
    /// ln P(token) under the model's own distribution, where it was asked for.
    public let logProbability: Float?
}

/// Why generation ended.
public enum StopReason: String, Sendable {
    /// The model ended its turn.
    case endOfTurn = "end_of_turn"
    case stopString = "stop_string"
    case maximumTokens = "length"
    case contextFull = "context"
    case cancelled
}

/// All that was generated.
public struct GenerationResult: Sendable {
    public let text: String
    public let tokens: [Int32]
    public let stopReason: StopReason
    /// The seed that repeats this generation.
    public let seed: UInt64
    /// ln P of each token, where asked for.
    public let logProbabilities: [Float]
}

extension Session {
    /// Generates after the session's tokens, and appends what it generates.
    ///
    /// - Parameter onToken: receives each token as it comes; false ends the generation.
    /// - Throws: `TillerError.invalidOption` for options outside their range or an empty session.
    @discardableResult
    public func generate(
        _ options: GenerationOptions, onToken: (GeneratedToken) -> Bool = { _ in true }
    ) throws(TillerError) -> GenerationResult {
        try options.sampling.validate()
        if let token = options.sampling.logitBias.keys.first(where: { !(0..<logits.count).contains(Int($0)) })
        {
            throw .invalidOption("logit bias for token \(token), expected ids in 0..<\(logits.count)")
        }
        guard !tokens.isEmpty else {
            throw .invalidOption("there is nothing to continue; evaluate a prompt first")
        }
        var run = GenerationRun(session: self, options: options)
        return try run.execute(onToken)
    }
}

/// The state of one generation.
private struct GenerationRun {
    let session: Session
    let options: GenerationOptions
    var sampler: Sampler
    var decoder: TokenDecoder
    var matcher: StopMatcher
    var text = ""
    var tokens: [Int32] = []
    var logProbabilities: [Float] = []

    init(session: Session, options: GenerationOptions) {
        self.session = session
        self.options = options
        sampler = Sampler(options: options.sampling)
        decoder = TokenDecoder(
            session.engine.tokenizer, skipSpecial: !options.showsSpecialTokens, atStart: false)
        matcher = StopMatcher(stops: options.stopStrings)
        tokens.reserveCapacity(min(options.maximumTokens, session.remainingContext))
    }

    mutating func execute(_ onToken: (GeneratedToken) -> Bool) throws(TillerError) -> GenerationResult {
        try session.catchUp { true }
        var reason: StopReason?
        while reason == nil {
            if tokens.count >= options.maximumTokens {
                reason = .maximumTokens
            } else if session.remainingContext == 0 {
                reason = .contextFull
            } else {
                reason = try advance(onToken)
            }
        }
        let stopReason = reason ?? .cancelled
        // The sampler writes penalties into the logits; who goes on from here needs the model's own.
        session.forgetLogits()
        if stopReason != .stopString { flush(onToken) }
        return GenerationResult(
            text: text, tokens: tokens, stopReason: stopReason, seed: sampler.seed,
            logProbabilities: logProbabilities)
    }

    /// Draws one token; returns why generation ends, if it does.
    private mutating func advance(_ onToken: (GeneratedToken) -> Bool) throws(TillerError) -> StopReason? {
        let logits = session.logits.elements
        let token: Int32
        var logProbability: Float?
        if options.reportsLogProbabilities {
            // Penalties change the logits in place, so the model's own are kept aside.
            let own = Array(logits)
            let normalizer = session.engine.compute.logSumExp(session.logits.baseAddress, count: logits.count)
            token = sampler.sample(logits, history: session.tokens)
            logProbability = own[Int(token)] - normalizer
        } else {
            token = sampler.sample(logits, history: session.tokens)
        }
        if !options.ignoresEndOfGeneration, session.engine.isEndOfGeneration(token) { return .endOfTurn }
        tokens.append(token)
        if let logProbability { logProbabilities.append(logProbability) }
        let (piece, isStopped) = matcher.push(decoder.append(token).utf8)
        let newText = String(decoding: piece, as: UTF8.self)
        text += newText
        let goesOn = onToken(GeneratedToken(token: token, text: newText, logProbability: logProbability))
        try session.step(token)
        if isStopped { return .stopString }
        return goesOn ? nil : .cancelled
    }

    /// Shows what was held back for a stop string or an unfinished character.
    private mutating func flush(_ onToken: (GeneratedToken) -> Bool) {
        var rest = matcher.push(decoder.finish().utf8).text
        rest += matcher.finish()
        guard !rest.isEmpty, let token = tokens.last else { return }
        let newText = String(decoding: rest, as: UTF8.self)
        text += newText
        _ = onToken(GeneratedToken(token: token, text: newText, logProbability: nil))
    }
}
