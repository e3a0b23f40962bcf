// SPDX-License-Identifier: Apache-2.0
// Text generation: sample a token, report its text, evaluate it, until a stop condition holds.

import Platform
import Tokenization

/// What to generate and when to stop.
public struct GenerationOptions: Sendable {
    public var sampling = SamplingOptions()
    /// The most tokens to generate.
    public var maximumTokens = 512
    /// Generation ends before any of these texts. A stop string that names a special token, such as `"<|im_start|>"`, also ends
    /// it when the model generates that token, shown or not.
    public var stopStrings: [String] = []
    /// Ignores the end-of-turn tokens, as benchmarks do.
    public var ignoresEndOfGeneration = false
    /// Shows special tokens as text.
    public var showsSpecialTokens = false
    /// Reports the natural logarithm of each drawn token's probability, before penalties and temperature.
    public var reportsLogProbabilities = false
    /// Limit on how far steering moves each token's distribution, as KL(sampled ‖ unsteered) in nats; nil sets no bound, 0 yields
    /// the unsteered text. The session then also runs its tokens without steering; see `Sampler.sample(_:steered:…)` for the
    /// distributions that the bound compares.
    public var maximumDivergence: Double?
    /// Reports KL(steered ‖ unsteered) of each token even without a bound; the session then also runs without steering.
    public var reportsDivergence = false

    public init() {}
}

/// One generated token.
public struct GeneratedToken: Sendable {
    public let token: Int32
    /// The text completed by this token; may be empty inside a character or a possible stop string. Text still held back at the
    /// end of generation is added to the last token.
    public internal(set) var text: String
    /// ln P(token) under the model's own distribution, if requested.
    public let logProbability: Float?
    /// How far steering moved the distribution of this token, if that was bounded or requested.
    public internal(set) var divergence: TokenDivergence?
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

/// The complete output of a generation.
public struct GenerationResult: Sendable {
    public let text: String
    public let tokens: [Int32]
    public let stopReason: StopReason
    /// The seed that repeats this generation.
    public let seed: UInt64
    /// ln P of each token, if requested.
    public let logProbabilities: [Float]
    /// How far steering moved the tokens' distributions, if that was bounded or requested.
    public internal(set) var divergence: DivergenceSummary?
}

extension Session {
    /// Generates a continuation of the session's tokens, and appends it to the session.
    ///
    /// - Parameters:
    ///   - options: sampling, length and where to stop.
    ///   - onToken: receives each token once and in order: immediately, or with the next one if it ends inside a character or a
    ///     possible stop string; false ends the generation.
    /// - Throws: `TillerError.invalidOption` for options outside their range or an empty session.
    @discardableResult
    public func generate(
        _ options: GenerationOptions, onToken: (GeneratedToken) -> Bool = { _ in true }
    ) throws(TillerError) -> GenerationResult {
        try generate(options, readingPromptWhile: { true }, onToken: onToken)
    }

    /// The same.
    ///
    /// - Parameter readingPromptWhile: called between batches of the tokens evaluated before the first sample; false ends the
    ///   generation.
    package func generate(
        _ options: GenerationOptions, readingPromptWhile shouldContinue: () -> Bool,
        onToken: (GeneratedToken) -> Bool
    ) throws(TillerError) -> GenerationResult {
        try options.sampling.validate()
        if let limit = options.maximumDivergence,
            !(limit >= 0 && limit <= GenerationOptions.largestDivergence)
        {
            throw .invalidOption(
                "the limit of divergence is \(limit) nats, expected 0...\(Int(GenerationOptions.largestDivergence))"
            )
        }
        if let token = options.sampling.logitBias.keys.first(where: { !(0..<logits.count).contains(Int($0)) })
        {
            throw .invalidOption("logit bias for token \(token), expected ids in 0..<\(logits.count)")
        }
        guard !tokens.isEmpty else {
            throw .invalidOption("there is nothing to continue; evaluate a prompt first")
        }
        try catchUp(while: shouldContinue)
        var run = try GenerationRun(session: self, options: options, readingPromptWhile: shouldContinue)
        return try run.execute(onToken)
    }
}

/// The state of one generation.
struct GenerationRun {
    let session: Session
    /// An unsteered session over the same tokens, if steering is bounded or measured.
    private let unsteered: Session?
    let options: GenerationOptions
    var sampler: Sampler
    var decoder: TokenDecoder
    var matcher: StopMatcher
    var text = ""
    var tokens: [Int32] = []
    var logProbabilities: [Float] = []
    private var divergence = DivergenceSummary()
    /// The last token, if its text is incomplete: reported with the next one, or with the rest of the text at the end.
    private var unreported: GeneratedToken?

    init(
        session: Session, options: GenerationOptions, readingPromptWhile shouldContinue: () -> Bool
    ) throws(TillerError) {
        self.session = session
        let measuresDivergence = options.maximumDivergence != nil || options.reportsDivergence
        unsteered =
            measuresDivergence && !session.plan.isEmpty
            ? try session.makeUnsteered(while: shouldContinue) : nil
        self.options = options
        sampler = Sampler(options: options.sampling)
        decoder = TokenDecoder(
            session.engine.tokenizer, skipSpecial: !options.showsSpecialTokens, atStart: false)
        let tokenizer = session.engine.tokenizer
        let namesSpecialToken = { (stop: String) in
            tokenizer.encode(stop, addSpecial: false, parseSpecial: true).contains { tokenizer.isSpecial($0) }
        }
        matcher = StopMatcher(
            stops: options.stopStrings.filter { !namesSpecialToken($0) },
            specialStops: options.stopStrings.filter(namesSpecialToken))
        tokens.reserveCapacity(min(options.maximumTokens, session.remainingContext))
    }

    mutating func execute(_ onToken: (GeneratedToken) -> Bool) throws(TillerError) -> GenerationResult {
        // A caller that stopped the prompt's evaluation wants no token.
        var reason: StopReason? = session.hasLogits && unsteered?.hasLogits ?? true ? nil : .cancelled
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
        // The sampler writes penalties into the logits; a later continuation needs the model's own.
        session.forgetLogits()
        unsteered?.forgetLogits()
        finish(isStopped: stopReason == .stopString, onToken)
        return GenerationResult(
            text: text, tokens: tokens, stopReason: stopReason, seed: sampler.seed,
            logProbabilities: logProbabilities,
            divergence: divergence.tokenCount > 0 ? divergence : nil)
    }

    /// Samples one token; returns why generation ends, if it does.
    private mutating func advance(_ onToken: (GeneratedToken) -> Bool) throws(TillerError) -> StopReason? {
        // Penalties change the logits in place, so a copy keeps the model's own distributions.
        let own = options.reportsLogProbabilities ? OwnDistributions(session, unsteered) : nil
        let draw = drawToken()
        let token = draw.token
        let logProbability = own?.logProbability(of: token, share: draw.divergence?.share ?? 1)
        if !options.ignoresEndOfGeneration, session.engine.isEndOfGeneration(token) { return .endOfTurn }
        // Like an end-of-turn token, a special token that ends the text is not part of it.
        let hidden = isHidden(token) ? push(token) : nil
        if let hidden, hidden.isStopped {
            add(hidden.text)
            return .stopString
        }
        if let earlier = unreported {
            unreported = nil
            guard onToken(earlier) else {
                // The sampled token was never shown; text of earlier tokens that it releases remains.
                if let hidden { add(hidden.text) }
                return .cancelled
            }
        }
        let (piece, isStopped) = hidden ?? push(token)
        tokens.append(token)
        if let logProbability { logProbabilities.append(logProbability) }
        let newText = String(decoding: piece, as: UTF8.self)
        text += newText
        if let value = draw.divergence { divergence.add(value) }
        let report = GeneratedToken(
            token: token, text: newText, logProbability: logProbability, divergence: draw.divergence)
        var goesOn = true
        if !isStopped, matcher.holdsText || decoder.holdsBytes {
            unreported = report
        } else {
            goesOn = onToken(report)
        }
        if isStopped || !goesOn || tokens.count >= options.maximumTokens {
            // The last token is not evaluated until something asks for its logits.
            try session.appendUnread(token)
            try unsteered?.appendUnread(token)
        } else if let unsteered {
            try session.step(token, beside: unsteered)
        } else {
            try session.step(token)
        }
        if isStopped { return .stopString }
        return goesOn ? nil : .cancelled
    }

    private mutating func push(_ token: Int32) -> (text: [UInt8], isStopped: Bool) {
        guard isHidden(token) else { return matcher.push(decoder.append(token).utf8) }
        return matcher.push(session.engine.tokenizer.bytes(of: token), areShown: false)
    }

    /// Whether a token is hidden from the text.
    private func isHidden(_ token: Int32) -> Bool {
        !options.showsSpecialTokens && session.engine.tokenizer.isSpecial(token)
    }

    private mutating func drawToken() -> (token: Int32, divergence: TokenDivergence?) {
        let (logits, compute) = (session.logits.elements, session.engine.compute)
        guard let unsteered else {
            return (sampler.sample(logits, history: session.tokens, with: compute), nil)
        }
        if let limit = options.maximumDivergence {
            let draw = sampler.sample(
                unsteered.logits.elements, steered: logits, within: limit, history: session.tokens,
                with: compute)
            return (draw.token, draw.divergence)
        }
        let value = compute.divergence(
            of: UnsafeBufferPointer(logits), from: UnsafeBufferPointer(unsteered.logits.elements))
        let token = sampler.sample(logits, history: session.tokens, with: compute)
        return (token, TokenDivergence(nats: value, share: 1))
    }

    /// Adds text held back for a stop string or an unfinished character, and reports the last token with it.
    private mutating func finish(isStopped: Bool, _ onToken: (GeneratedToken) -> Bool) {
        if !isStopped { add(matcher.push(decoder.finish().utf8).text + matcher.finish()) }
        if let last = unreported { _ = onToken(last) }
        unreported = nil
    }

    /// Adds text to the result and to the unreported token.
    private mutating func add(_ rest: [UInt8]) {
        let newText = String(decoding: rest, as: UTF8.self)
        text += newText
        unreported?.text += newText
    }
}
