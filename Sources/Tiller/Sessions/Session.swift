// SPDX-License-Identifier: Apache-2.0
// One timeline: tokens, their cached keys and values, and the steering under which they were computed.

import Formats
import Kernels
import Platform
import Steering
import Transformer

/// A conversation's state: evaluate tokens, generate, rewind, fork, change steering at any time.
///
/// Only one thread may use a session at a time.
public final class Session {
    public let engine: Engine
    /// The session's capacity in tokens.
    public let contextLength: Int
    /// All tokens so far, including those not yet evaluated.
    public private(set) var tokens: [Int32] = []
    /// The current steering.
    public internal(set) var steering: [AppliedProfile] = []

    package private(set) var state: SequenceState
    var plan = SteeringPlan.none
    /// The measurements of the plan's conditions, valid for the same positions as keys and values.
    var gates: SteeringGates?
    /// Whether each token is part of a prompt (or generated): a profile may steer only one of the two.
    private var isPromptToken: [Bool] = []
    /// Tokens whose keys and values are valid under the current steering.
    private var validCount = 0
    /// Logits after the last token [vocabularySize]; valid while `hasLogits`.
    let logits: AlignedBuffer<Float>
    private(set) var hasLogits = false
    /// An unsteered session over the same tokens; created when a divergence is first measured. See `makeUnsteered`.
    var unsteered: Session?

    init(engine: Engine, contextLength: Int) throws(AllocationError) {
        let configuration = engine.model.configuration
        self.engine = engine
        self.contextLength = contextLength
        state = try SequenceState(configuration, capacity: contextLength, encoding: engine.cacheEncoding)
        logits = try AlignedBuffer(count: configuration.vocabularySize)
        // The per-token state and the sampler's per-vocabulary state are arrays.
        try SystemMemory.requireRoom(
            byteCount: contextLength * 8 + configuration.vocabularySize * 16 + Self.smallByteCount)
        tokens.reserveCapacity(contextLength)
        isPromptToken.reserveCapacity(contextLength)
    }

    /// Room for texts and other small, temporary allocations.
    private static let smallByteCount = 2 << 20

    /// Bytes of a session besides its cache: tokens with their phases, and logits.
    static func byteCount(contextLength: Int, vocabularySize: Int) -> Int {
        contextLength * (MemoryLayout<Int32>.stride + MemoryLayout<Bool>.stride)
            + AlignedBuffer<Float>.byteCount(vocabularySize)
    }

    /// The same for what is allocated, including the cache.
    package var allocatedByteCount: Int {
        tokens.capacity * MemoryLayout<Int32>.stride + isPromptToken.capacity * MemoryLayout<Bool>.stride
            + logits.byteCount + state.allocatedByteCount
    }

    /// Tokens that still fit.
    public var remainingContext: Int { contextLength - tokens.count }

    /// How many of the leading tokens have valid keys and values; the rest are computed when needed.
    package var cachedTokenCount: Int { validCount }

    /// Logits of the next token [vocabularySize]; empty before anything is evaluated.
    public var currentLogits: [Float] { hasLogits ? Array(logits.elements) : [] }

    // MARK: - Moving along

    /// Appends prompt tokens and computes the logits after the last.
    ///
    /// - Parameters:
    ///   - newTokens: ids of the vocabulary.
    ///   - shouldContinue: called between layers; false stops early and keeps the completed batches of tokens. It must not use
    ///     the engine.
    /// - Throws: `TillerError.contextOverflow`, with nothing appended, or `.invalidOption` for an id outside
    ///   the vocabulary.
    public func evaluate(_ newTokens: [Int32], while shouldContinue: () -> Bool = { true })
        throws(TillerError)
    {
        try append(newTokens, isPrompt: true)
        try catchUp(while: shouldContinue)
    }

    /// Appends prompt tokens and visits the logits after each of them, which are valid during the visit.
    ///
    /// The tokens already in the cache stay valid: texts with a common prefix evaluate it once (prefix cache).
    /// - Throws: the same errors as `evaluate`.
    package func evaluate(
        _ newTokens: some Collection<Int32>,
        visit: (_ position: Int, _ logits: UnsafeBufferPointer<Float>) -> Void
    ) throws(TillerError) {
        try engine.reserve(contextLength: contextLength, allLogits: true)
        if validCount < tokens.count { try catchUp { true } }
        let first = tokens.count
        try append(newTokens, isPrompt: true)
        gates?.forgetDecision()
        withoutActuallyEscaping(visit) { visit in
            tokens.withUnsafeBufferPointer { all in
                engine.evaluate(
                    UnsafeBufferPointer(rebasing: all[first...]), state: state,
                    ForwardOptions(firstPosition: first, steering: plan, gates: gates),
                    request: .all { visit(first + $0, $1) })
            }
        }
        validCount = tokens.count
    }

    /// Appends prompt tokens to several timelines and evaluates them together, which is far less work for short texts. Results
    /// equal those of separate evaluations bit for bit.
    ///
    /// - Parameter visit: receives the logits after each token as (index of the part, position, logits); nil computes none.
    /// - Throws: the same errors as `evaluate`; nothing is appended to the session without room.
    /// - Precondition: the sessions are distinct and belong to one engine.
    package static func evaluate(
        _ parts: [(session: Session, tokens: ArraySlice<Int32>)],
        visit: ((_ part: Int, _ position: Int, _ logits: UnsafeBufferPointer<Float>) -> Void)? = nil
    ) throws(TillerError) {
        guard let engine = parts.first?.session.engine else { return }
        try engine.reserve(contextLength: 1, allLogits: visit != nil)
        var timelines: [TimelinePart] = []
        for (session, tokens) in parts {
            if session.validCount < session.tokens.count { try session.catchUp { true } }
            timelines.append(
                TimelinePart(
                    tokens: tokens, state: session.state,
                    evaluation: ForwardOptions(
                        firstPosition: session.validCount, steering: session.plan, gates: session.gates)))
            try session.append(tokens, isPrompt: true)
            session.gates?.forgetDecision()
        }
        let firsts = timelines.map(\.evaluation.firstPosition)
        if let visit {
            engine.evaluate(timelines) { visit($0, firsts[$0] + $1, $2) }
        } else {
            engine.evaluate(timelines, visit: nil)
        }
        for (session, _) in parts { session.validCount = session.tokens.count }
    }

    /// Makes `target` the session's tokens: keeps the common prefix and evaluates the rest.
    ///
    /// All of `target` counts as prompt, including tokens that the session generated. The continuation therefore depends only on
    /// these tokens and the steering, and on no earlier state.
    public func advance(to target: [Int32], while shouldContinue: () -> Bool = { true }) throws(TillerError) {
        guard target.count <= contextLength else {
            throw .contextOverflow(needed: target.count, available: contextLength)
        }
        // At least one token is evaluated, because its logits are needed next.
        try append(keepBeginning(of: target[...]), isPrompt: true)
        try catchUp(while: shouldContinue)
    }

    /// Drops all tokens after the common prefix with `target`, the first tokens of an array; the rest count as prompt.
    ///
    /// - Returns: the remaining tokens of `target`.
    package func keepBeginning(of target: ArraySlice<Int32>) -> ArraySlice<Int32> {
        let common = zip(tokens, target).prefix { $0 == $1 }.count
        rewind(to: common)
        handInGenerated()
        return target.dropFirst(common)
    }

    /// Turns generated tokens into prompt tokens. If a plan treats the two differently, they are recomputed.
    private func handInGenerated() {
        guard let start = isPromptToken.firstIndex(of: false) else { return }
        if let first = plan.firstPositionOfOnePhase {
            let changed = isPromptToken[max(start, min(first, tokens.count))...].firstIndex(of: false)
            if let changed { invalidateCache(from: changed) }
        }
        for index in start..<tokens.count { isPromptToken[index] = true }
    }

    /// Drops all tokens from a position on.
    ///
    /// - Precondition: `count` is not negative and at most the number of tokens.
    public func rewind(to count: Int) {
        precondition(count >= 0 && count <= tokens.count, "Session: cannot rewind forwards")
        guard count < tokens.count else { return }
        tokens.removeLast(tokens.count - count)
        isPromptToken.removeLast(isPromptToken.count - count)
        validCount = state.truncate(to: min(validCount, count))
        hasLogits = false
    }

    /// An independent copy of this timeline.
    ///
    /// - Throws: `TillerError.outOfMemory`.
    public func fork() throws(TillerError) -> Session {
        do { return try copy() } catch { throw TillerError(error) }
    }

    private func copy() throws(AllocationError) -> Session {
        let copy = try Session(engine: engine, contextLength: contextLength)
        copy.tokens += tokens
        copy.isPromptToken += isPromptToken
        copy.state = try state.fork(prefix: validCount)
        copy.validCount = validCount
        copy.steering = steering
        copy.plan = plan
        copy.gates = try gates?.copy(of: plan, prefix: validCount)
        copy.logits.baseAddress.update(from: logits.baseAddress, count: logits.count)
        copy.hasLogits = hasLogits
        return copy
    }

    /// Whether each token is part of a prompt; the others were generated.
    var tokenPhases: [Bool] { isPromptToken }

    /// Adopts tokens whose keys and values are in the cache.
    /// - Precondition: there are as many phases as tokens, and no more than fit the context.
    func adopt(tokens newTokens: [Int32], isPromptToken phases: [Bool]) {
        precondition(newTokens.count == phases.count && newTokens.count <= contextLength)
        rewind(to: 0)
        tokens += newTokens
        isPromptToken += phases
        validCount = tokens.count
    }

    /// Invalidates cached keys and values, for example after a change of steering; they are recomputed when needed.
    func invalidateCache(from position: Int = 0) {
        validCount = state.truncate(to: min(validCount, position))
        hasLogits = false
    }

    /// The number of leading tokens that none of the plans affects.
    func tokensUntouched(by plans: [SteeringPlan]) -> Int {
        func first(isPrompt: Bool) -> Int {
            plans.compactMap { $0.firstPosition(isPrompt: isPrompt) }.min() ?? tokens.count
        }
        let (prompt, generated) = (first(isPrompt: true), first(isPrompt: false))
        return isPromptToken.indices.first { $0 >= (isPromptToken[$0] ? prompt : generated) } ?? tokens.count
    }

    /// Counts no position as evaluated, although the state stays where it is.
    func forgetEvaluated() { (validCount, hasLogits) = (0, false) }

    /// Drops the logits, which are recomputed when next needed.
    func forgetLogits() { hasLogits = false }

    /// Appends a generated token, which is evaluated once something depends on it.
    func appendUnread(_ token: Int32) throws(TillerError) {
        try append(CollectionOfOne(token), isPrompt: false)
    }

    /// Appends a generated token and computes the logits after it. Allocates nothing.
    package func step(_ token: Int32) throws(TillerError) {
        try appendUnread(token)
        try catchUp { true }
    }

    /// Appends a generated token to two timelines and computes the next logits of both in one pass over the weights. Results
    /// equal those of separate steps bit for bit. Allocates nothing.
    package func step(_ token: Int32, beside other: Session) throws(TillerError) {
        guard other.remainingContext > 0 else { throw .contextOverflow(needed: 1, available: 0) }
        try appendUnread(token)
        try other.appendUnread(token)
        guard validCount == tokens.count - 1, other.validCount == other.tokens.count - 1 else {
            try catchUp { true }
            try other.catchUp { true }
            return
        }
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: 2) { pair in
            pair.initialize(repeating: token)
            engine.evaluatePair(
                UnsafeBufferPointer(pair), first: (state, evaluationOfLast()),
                second: (other.state, other.evaluationOfLast()), logits: (logits, other.logits))
        }
        lastIsEvaluated()
        other.lastIsEvaluated()
    }

    /// Options for evaluating the last token, a generated one, after a valid cache.
    private func evaluationOfLast() -> ForwardOptions {
        gates?.decide(by: prompt(before: validCount))
        return ForwardOptions(firstPosition: validCount, steering: plan, gates: gates, isPrompt: false)
    }

    private func lastIsEvaluated() {
        validCount = tokens.count
        hasLogits = true
    }

    private func append(_ newTokens: some Collection<Int32>, isPrompt: Bool) throws(TillerError) {
        guard newTokens.count <= remainingContext else {
            throw .contextOverflow(needed: newTokens.count, available: remainingContext)
        }
        for token in newTokens where token < 0 || Int(token) >= logits.count {
            throw .invalidOption("token id \(token) is outside the vocabulary of \(logits.count)")
        }
        guard !newTokens.isEmpty else { return }
        tokens.append(contentsOf: newTokens)
        isPromptToken.append(contentsOf: repeatElement(isPrompt, count: newTokens.count))
        hasLogits = false
    }

    /// Evaluates the tokens not yet in the cache, in runs of equal phase.
    func catchUp(while shouldContinue: () -> Bool) throws(TillerError) {
        guard !tokens.isEmpty else { return }
        if !hasLogits { validCount = state.truncate(to: min(validCount, tokens.count - 1)) }
        while validCount < tokens.count {
            guard shouldContinue() else { return }
            var end = validCount + 1
            let limit = min(tokens.count, validCount + Self.stride)
            while end < limit, isPromptToken[end] == isPromptToken[validCount] { end += 1 }
            let isLast = end == tokens.count
            let isPrompt = isPromptToken[validCount]
            if isPrompt { gates?.forgetDecision() } else { gates?.decide(by: prompt(before: validCount)) }
            let evaluation = ForwardOptions(
                firstPosition: validCount, steering: plan, gates: gates, isPrompt: isPrompt)
            let isDone = tokens.withUnsafeBufferPointer { all in
                engine.evaluate(
                    UnsafeBufferPointer(rebasing: all[validCount..<end]), state: state, evaluation,
                    request: isLast ? .last(into: logits) : .none, while: shouldContinue)
            }
            guard isDone else {
                validCount = state.truncate(to: validCount)
                return
            }
            validCount = end
            hasLogits = isLast
        }
    }

    /// The positions of the last prompt before a position: the prompt that a generated token answers.
    private func prompt(before position: Int) -> Range<Int> {
        let end = isPromptToken[..<position].lastIndex(of: true).map { $0 + 1 } ?? 0
        let start = isPromptToken[..<end].lastIndex(of: false).map { $0 + 1 } ?? 0
        return start..<end
    }

    /// The most tokens whose computation is lost when `shouldContinue` ends an evaluation.
    private static let stride = 256
}
