// SPDX-License-Identifier: Apache-2.0
// One timeline: tokens, their cached keys and values, and the steering under which they were computed.

import Formats
import Kernels
import Platform
import Steering
import Transformer

/// A conversation's state: evaluate tokens, generate, rewind, fork, change steering at any time.
///
/// One thread owns a session at a time.
public final class Session {
    public let engine: Engine
    /// Tokens that the session can hold.
    public let contextLength: Int
    /// All tokens so far, evaluated or to be evaluated again.
    public private(set) var tokens: [Int32] = []
    /// The steering in force.
    public internal(set) var steering: [AppliedProfile] = []

    package private(set) var cache: KeyValueCache
    var plan = SteeringPlan.none
    /// What the plan's conditions found, valid where keys and values are.
    var gates: SteeringGates?
    /// Whether each token was prompt (or generated): profiles may steer only one of both.
    private var isPromptToken: [Bool] = []
    /// Tokens whose keys and values are valid under the steering in force.
    private var validCount = 0
    /// Logits after the last token [vocabularySize]; valid while `hasLogits`.
    let logits: AlignedBuffer<Float>
    private(set) var hasLogits = false
    /// The same tokens without steering, once something was held against them; see `makeUnsteered`.
    var unsteered: Session?

    init(engine: Engine, contextLength: Int) throws(AllocationError) {
        let configuration = engine.model.configuration
        self.engine = engine
        self.contextLength = contextLength
        cache = try KeyValueCache(
            layerCount: configuration.layerCount, keyValueHeadCount: configuration.keyValueHeadCount,
            headSize: configuration.headSize, capacity: contextLength, encoding: engine.cacheEncoding)
        logits = try AlignedBuffer(count: configuration.vocabularySize)
        // What is said of a token, and what a sampler keeps of the vocabulary, are arrays.
        try SystemMemory.requireRoom(
            byteCount: contextLength * 8 + configuration.vocabularySize * 16 + Self.smallByteCount)
        tokens.reserveCapacity(contextLength)
        isPromptToken.reserveCapacity(contextLength)
    }

    /// Room for texts and everything else that is small and comes and goes.
    private static let smallByteCount = 2 << 20

    /// Bytes that a session holds besides its cache: tokens with their phases, and logits.
    static func byteCount(contextLength: Int, vocabularySize: Int) -> Int {
        contextLength * (MemoryLayout<Int32>.stride + MemoryLayout<Bool>.stride)
            + AlignedBuffer<Float>.byteCount(vocabularySize)
    }

    /// The same of what is allocated, with the cache.
    package var allocatedByteCount: Int {
        tokens.capacity * MemoryLayout<Int32>.stride + isPromptToken.capacity * MemoryLayout<Bool>.stride
            + logits.byteCount + cache.allocatedByteCount
    }

    /// Tokens that still fit.
    public var remainingContext: Int { contextLength - tokens.count }

    /// How many of the leading tokens have valid keys and values: what is beyond is computed when it is needed.
    package var cachedTokenCount: Int { validCount }

    /// Logits of the next token [vocabularySize]; empty before anything is evaluated.
    public var currentLogits: [Float] { hasLogits ? Array(logits.elements) : [] }

    // MARK: - Moving along

    /// Appends prompt tokens and computes the logits after the last.
    ///
    /// - Parameters:
    ///   - newTokens: ids of the vocabulary.
    ///   - shouldContinue: asked between layers; false stops early and keeps the batches of tokens that are done. It must not use
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
    /// What is in the cache already stays: of texts with a common beginning, that is evaluated once.
    /// - Throws: as `evaluate` does.
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
                    UnsafeBufferPointer(rebasing: all[first...]), cache: cache,
                    ForwardOptions(firstPosition: first, steering: plan, gates: gates),
                    request: .all { visit(first + $0, $1) })
            }
        }
        validCount = tokens.count
    }

    /// Appends prompt tokens to several timelines and evaluates them together, which for short texts is far less work; all
    /// come out as they would alone, bit for bit.
    ///
    /// - Parameter visit: receives the logits after each token as (index of the part, position, logits); nil computes none.
    /// - Throws: as `evaluate` does, with nothing appended to the session that has no room.
    /// - Precondition: the sessions are different ones of one engine.
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
                    tokens: tokens, cache: session.cache,
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

    /// Makes `target` the session's tokens: what both have in common is kept, the rest evaluated.
    ///
    /// All of `target` is handed in, also what was once generated. What follows therefore depends on these tokens and the
    /// steering, and on nothing that happened before.
    public func advance(to target: [Int32], while shouldContinue: () -> Bool = { true }) throws(TillerError) {
        guard target.count <= contextLength else {
            throw .contextOverflow(needed: target.count, available: contextLength)
        }
        // At least one token is evaluated, since its logits are what comes next.
        try append(keepBeginning(of: target[...]), isPrompt: true)
        try catchUp(while: shouldContinue)
    }

    /// Forgets what is not the beginning of `target`, an array's first tokens; what is left counts as handed in.
    ///
    /// - Returns: the rest of `target`, which is still to come.
    package func keepBeginning(of target: ArraySlice<Int32>) -> ArraySlice<Int32> {
        let common = zip(tokens, target).prefix { $0 == $1 }.count
        rewind(to: common)
        handInGenerated()
        return target.dropFirst(common)
    }

    /// Makes prompt of what was generated. Where a plan treats both differently, it is computed anew.
    private func handInGenerated() {
        guard let start = isPromptToken.firstIndex(of: false) else { return }
        if let first = plan.firstPositionOfOnePhase {
            let changed = isPromptToken[max(start, min(first, tokens.count))...].firstIndex(of: false)
            if let changed { invalidateCache(from: changed) }
        }
        for index in start..<tokens.count { isPromptToken[index] = true }
    }

    /// Forgets all tokens from a position on.
    ///
    /// - Precondition: `count` is not negative and at most the number of tokens.
    public func rewind(to count: Int) {
        precondition(count >= 0 && count <= tokens.count, "Session: cannot rewind forwards")
        guard count < tokens.count else { return }
        tokens.removeLast(tokens.count - count)
        isPromptToken.removeLast(isPromptToken.count - count)
        validCount = min(validCount, count)
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
        copy.cache = try cache.copy(prefix: validCount)
        copy.validCount = validCount
        copy.steering = steering
        copy.plan = plan
        copy.gates = try gates?.copy(of: plan, prefix: validCount)
        copy.logits.baseAddress.update(from: logits.baseAddress, count: logits.count)
        copy.hasLogits = hasLogits
        return copy
    }

    /// Whether each token was handed in; others were generated.
    var tokenPhases: [Bool] { isPromptToken }

    /// Takes over tokens whose keys and values are in the cache.
    /// - Precondition: as many phases as tokens, no more than the context holds.
    func adopt(tokens newTokens: [Int32], isPromptToken phases: [Bool]) {
        precondition(newTokens.count == phases.count && newTokens.count <= contextLength)
        rewind(to: 0)
        tokens += newTokens
        isPromptToken += phases
        validCount = tokens.count
    }

    /// Marks cached keys and values as computed under another steering; they are computed anew when needed.
    func invalidateCache(from position: Int = 0) {
        validCount = min(validCount, position)
        hasLogits = false
    }

    /// The leading tokens that none of some plans changes.
    func tokensUntouched(by plans: [SteeringPlan]) -> Int {
        func first(isPrompt: Bool) -> Int {
            plans.compactMap { $0.firstPosition(isPrompt: isPrompt) }.min() ?? tokens.count
        }
        let (prompt, generated) = (first(isPrompt: true), first(isPrompt: false))
        return isPromptToken.indices.first { $0 >= (isPromptToken[$0] ? prompt : generated) } ?? tokens.count
    }

    /// Drops the logits, which are computed anew when they are next needed.
    func forgetLogits() { hasLogits = false }

    /// Appends a generated token, which is evaluated when something is wanted of what comes after it.
    func appendUnread(_ token: Int32) throws(TillerError) {
        try append(CollectionOfOne(token), isPrompt: false)
    }

    /// Appends a generated token and computes the logits after it. Allocates nothing.
    package func step(_ token: Int32) throws(TillerError) {
        try appendUnread(token)
        try catchUp { true }
    }

    /// Appends a generated token to two timelines and computes the logits after it in both, in one pass over the weights.
    /// Both come out as after a step of their own, bit for bit. Allocates nothing.
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
                UnsafeBufferPointer(pair), first: (cache, evaluationOfLast()),
                second: (other.cache, other.evaluationOfLast()), logits: (logits, other.logits))
        }
        lastIsEvaluated()
        other.lastIsEvaluated()
    }

    /// How the last token, a generated one, is evaluated behind a valid cache.
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

    /// Evaluates what is not in the cache yet, in runs of equal phase.
    func catchUp(while shouldContinue: () -> Bool) throws(TillerError) {
        guard !tokens.isEmpty else { return }
        if !hasLogits { validCount = min(validCount, tokens.count - 1) }
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
                    UnsafeBufferPointer(rebasing: all[validCount..<end]), cache: cache, evaluation,
                    request: isLast ? .last(into: logits) : .none, while: shouldContinue)
            }
            guard isDone else { return }
            validCount = end
            hasLogits = isLast
        }
    }

    /// The positions of the last tokens handed in before a position: what a generated token answers.
    private func prompt(before position: Int) -> Range<Int> {
        let end = isPromptToken[..<position].lastIndex(of: true).map { $0 + 1 } ?? 0
        let start = isPromptToken[..<end].lastIndex(of: false).map { $0 + 1 } ?? 0
        return start..<end
    }

    /// The most tokens that are computed in vain where `shouldContinue` ends an evaluation.
    private static let stride = 256
}
