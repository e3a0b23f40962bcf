// SPDX-License-Identifier: Apache-2.0
// Generating text: draw a token, show its text, evaluate it, until something says stop.

import Platform
import Tokenization

/// What to generate and when to stop.
public struct GenerationOptions: Sendable {
    public var sampling = SamplingOptions()
    /// The most tokens to generate.
    public var maximumTokens = 512
    /// Generation ends before any of these texts. One that names a special token, as in `"<|im_start|>"`, also ends it where
    /// the model generates that token, shown or not.
    public var stopStrings: [String] = []
    /// Ignores the tokens that end a turn, as benchmarks do.
    public var ignoresEndOfGeneration = false
    /// Shows special tokens as text.
    public var showsSpecialTokens = false
    /// Reports the natural logarithm of each drawn token's probability, before penalties and temperature.
    public var reportsLogProbabilities = false
    /// The most that steering may move each token's distribution, as KL(sampled ‖ unsteered) in nats; nil sets no bound,
    /// 0 leaves the unsteered text. The session then runs its tokens without steering too; see `Sampler.sample(_:steered:…)`
    /// for what is bounded.
    public var maximumDivergence: Double?
    /// Reports KL(steered ‖ unsteered) of each token also without a bound; that runs the session without steering too.
    public var reportsDivergence = false

    public init() {}
}

/// One generated token.
public struct GeneratedToken: Sendable {
    public let token: Int32
    /// The text that became certain with this token; may be empty inside a character or a possible stop string. What is
    /// still held back when generation ends comes with the last token.
    public internal(set) var text: String
    /// ln P(token) under the model's own distribution, where it was asked for.
    public let logProbability: Float?
    /// How far steering moved the distribution of this token, where that was bounded or asked for.
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

/// All that was generated.
public struct GenerationResult: Sendable {
    public let text: String
    public let tokens: [Int32]
    public let stopReason: StopReason
    /// The seed that repeats this generation.
    public let seed: UInt64
    /// ln P of each token, where asked for.
    public let logProbabilities: [Float]
    /// How far steering moved the tokens' distributions, where that was bounded or asked for.
    public internal(set) var divergence: DivergenceSummary?
}

extension Session {
    /// Generates after the session's tokens, and appends what it generates.
    ///
    /// - Parameters:
    ///   - options: sampling, length and where to stop.
    ///   - onToken: receives each token once and in order: as it comes, or with the next one if it ends inside a character or a
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
    /// - Parameter readingPromptWhile: asked between batches of what is to be evaluated before the first token; false ends
    ///   the generation.
    func generate(
        _ options: GenerationOptions, readingPromptWhile shouldContinue: () -> Bool,
        onToken: (GeneratedToken) -> Bool
    ) throws(TillerError) -> GenerationResult {
        try options.sampling.validate()
        if let limit = options.maximumDivergence,
            !(limit >= 0 && limit <= GenerationOptions.largestDivergence)
        {
            throw .invalidOption(
                "a divergence of \(limit) nats is no bound, expected 0...\(Int(GenerationOptions.largestDivergence))"
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
    /// The same tokens without steering, where what steers is bounded or measured.
    private let unsteered: Session?
    let options: GenerationOptions
    var sampler: Sampler
    var decoder: TokenDecoder
    var matcher: StopMatcher
    var text = ""
    var tokens: [Int32] = []
    var logProbabilities: [Float] = []
    private var divergence = DivergenceSummary()
    /// The last token, where its text is not complete: reported with the next one, or with all that was held back at the end.
    private var unreported: GeneratedToken?

    init(
        session: Session, options: GenerationOptions, readingPromptWhile shouldContinue: () -> Bool
    ) throws(TillerError) {
        self.session = session
        let isHeldAgainstTwin = options.maximumDivergence != nil || options.reportsDivergence
        unsteered =
            isHeldAgainstTwin && !session.plan.isEmpty
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
        // Who stopped the reading of the prompt wants no token.
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
        // The sampler writes penalties into the logits; who goes on from here needs the model's own.
        session.forgetLogits()
        unsteered?.forgetLogits()
        finish(isStopped: stopReason == .stopString, onToken)
        return GenerationResult(
            text: text, tokens: tokens, stopReason: stopReason, seed: sampler.seed,
            logProbabilities: logProbabilities,
            divergence: divergence.tokenCount > 0 ? divergence : nil)
    }

    /// Draws one token; returns why generation ends, if it does.
    private mutating func advance(_ onToken: (GeneratedToken) -> Bool) throws(TillerError) -> StopReason? {
        // Penalties change the logits in place, so the model's own are kept aside.
        let own = options.reportsLogProbabilities ? OwnDistributions(session, unsteered) : nil
        let draw = drawToken()
        let token = draw.token
        let logProbability = own?.logProbability(of: token, share: draw.divergence?.share ?? 1)
        if !options.ignoresEndOfGeneration, session.engine.isEndOfGeneration(token) { return .endOfTurn }
        // Like an end of turn, a special token that ends the text is no part of it.
        let hidden = isHidden(token) ? push(token) : nil
        if let hidden, hidden.isStopped {
            add(hidden.text)
            return .stopString
        }
        if let earlier = unreported {
            unreported = nil
            guard onToken(earlier) else {
                // The drawn token was never seen; what it shows of the text before stays.
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
            // Nobody may ever ask what follows: who wants the first token does not wait for the second one's logits.
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

    /// Whether a token leaves nothing in the text.
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

    /// Adds what was held back for a stop string or an unfinished character, and reports the last token with it.
    private mutating func finish(isStopped: Bool, _ onToken: (GeneratedToken) -> Bool) {
        if !isStopped { add(matcher.push(decoder.finish().utf8).text + matcher.finish()) }
        if let last = unreported { _ = onToken(last) }
        unreported = nil
    }

    /// Adds what was held back of the last token's text.
    private mutating func add(_ rest: [UInt8]) {
        let newText = String(decoding: rest, as: UTF8.self)
        text += newText
        unreported?.text += newText
    }
}
