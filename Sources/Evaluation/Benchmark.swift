// SPDX-License-Identifier: Apache-2.0
// Speed and memory of a whole model, measured as llama-bench does: a prefill of fresh tokens, then decoding token by
// token. Each repetition starts from an empty state, and medians are reported.

import JSON
import Kernels
import Platform
import Steering
import Tiller
import Transformer

/// What a benchmark run measures.
public struct BenchmarkOptions: Sendable {
    public var promptTokens = 512
    public var generatedTokens = 128
    /// Tokens in the cache before either measurement.
    public var depth = 0
    public var repetitions = 5
    public var steering: [AppliedProfile] = []
    /// Bound of the divergence by steering per decoded token, see `GenerationOptions.maximumDivergence`.
    public var maximumDivergence: Double?

    public init() {}
}

/// Medians over all repetitions.
public struct BenchmarkResult: Sendable {
    /// Prompt tokens evaluated per second; nil where none were requested.
    public let prefillTokensPerSecond: Double?
    /// Tokens generated per second; nil where none were requested.
    public let decodeTokensPerSecond: Double?
    /// Time from the call to the first token's logits, for a 16-token prompt in a new session.
    public let firstTokenMilliseconds: Double
    public let loadMilliseconds: Double
    public let peakMemoryByteCount: Int
    public let weightsByteCount: Int
    /// Predicted memory for the benchmark's context length.
    public let predictedMemoryByteCount: Int
    /// Bandwidth of plain memory reads with the same threads, in bytes per second: the bound of decoding. It is measured
    /// after each repetition for as long as its decoding took, up to a second, so that both are averages over equal times.
    public let readBandwidth: Double
    /// Decoding's share of the bandwidth; each repetition is compared with the measurement that follows it.
    public let bandwidthShare: Double?
    /// Bytes of weights and cache that a token halfway through decoding reads.
    public let byteCountPerToken: Int
    public let kernels: String
    public let threads: Int

    package var json: JSON.Object {
        [
            "prefill_tokens_per_second": prefillTokensPerSecond.map { .number($0) } ?? .null,
            "decode_tokens_per_second": decodeTokensPerSecond.map { .number($0) } ?? .null,
            "first_token_ms": .number(firstTokenMilliseconds), "load_ms": .number(loadMilliseconds),
            "peak_memory_bytes": .integer(peakMemoryByteCount), "weights_bytes": .integer(weightsByteCount),
            "predicted_memory_bytes": .integer(predictedMemoryByteCount),
            "read_bytes_per_second": .number(readBandwidth),
            "decode_bytes_per_token": .integer(byteCountPerToken),
            "decode_bandwidth_share": bandwidthShare.map { .number($0) } ?? .null,
            "kernels": .string(kernels), "threads": .integer(threads),
        ]
    }
}

/// Measures one engine.
public struct Benchmark {
    private let engine: Engine
    private let loadSeconds: Double
    private let options: BenchmarkOptions

    /// - Parameter loadSeconds: time to load the engine, as the caller measured it.
    public init(engine: Engine, loadSeconds: Double, options: BenchmarkOptions) throws(TillerError) {
        guard options.promptTokens >= 0, options.generatedTokens >= 0, options.depth >= 0,
            options.repetitions > 0,
            options.promptTokens + options.generatedTokens > 0
        else { throw .invalidOption("a benchmark needs tokens to measure and at least one repetition") }
        self.engine = engine
        self.loadSeconds = loadSeconds
        self.options = options
    }

    /// - Parameter onRepetition: called after each repetition with (done, total).
    public func run(onRepetition: (Int, Int) -> Void = { _, _ in }) throws(TillerError) -> BenchmarkResult {
        let length = max(options.depth, 1) + max(options.promptTokens, options.generatedTokens) + 1
        let session = try engine.makeSession(contextLength: max(length, 17))
        let plan = try steeringPlan()
        try steer(session, plan)
        // Warm up: load the file's pages, and touch memory for the first time.
        try session.evaluate(randomTokens(16))
        let firstToken = try timeFirstToken(plan)
        var prefill: [Double] = [], decode: [Double] = [], bandwidth: [Double] = []
        var memoryToRead: AlignedBuffer<UInt32>?
        func memory() throws(TillerError) -> AlignedBuffer<UInt32> {
            if let memoryToRead { return memoryToRead }
            do {
                let memory = try engine.compute.makeMemoryToRead()
                memoryToRead = memory
                return memory
            } catch { throw TillerError(error) }
        }
        var peakMemory = 0
        for repetition in 0..<options.repetitions {
            if options.promptTokens > 0 { prefill.append(try timePrefill(session)) }
            if options.generatedTokens > 0 { decode.append(try timeDecode(session)) }
            // All repetitions use the same memory; the buffer of the bandwidth measurement must not count.
            if repetition == 0 { peakMemory = ProcessMemory.peakResidentByteCount() }
            // Measure at once: the bandwidth that other programs leave changes from one second to the next.
            let seconds = decode.last.map { min(Double(options.generatedTokens) / $0, 1) } ?? 0
            bandwidth.append(engine.compute.readBandwidth(try memory(), seconds: seconds))
            onRepetition(repetition + 1, options.repetitions)
        }
        let byteCount = byteCountPerToken(
            at: max(options.depth, 1) + options.generatedTokens / 2, session.state)
        return BenchmarkResult(
            prefillTokensPerSecond: prefill.isEmpty ? nil : median(prefill),
            decodeTokensPerSecond: decode.isEmpty ? nil : median(decode),
            firstTokenMilliseconds: firstToken * 1000, loadMilliseconds: loadSeconds * 1000,
            peakMemoryByteCount: peakMemory,
            weightsByteCount: engine.weightsByteCount,
            predictedMemoryByteCount: MemoryPrediction(
                file: engine.file, contextLength: length, cache: engine.cacheEncoding,
                threadCount: engine.threadCount, residentWeights: engine.residentWeights
            ).total,
            readBandwidth: median(bandwidth),
            bandwidthShare: decode.isEmpty
                ? nil : median(zip(decode, bandwidth).map { $0 * Double(byteCount) / $1 }),
            byteCountPerToken: byteCount,
            kernels: engine.kernelName, threads: engine.threadCount)
    }

    /// Bytes that a token at a position reads: each matrix once, and the cache positions that each layer attends to.
    private func byteCountPerToken(at position: Int, _ state: SequenceState) -> Int {
        zip(engine.model.blocks, state.caches).reduce(engine.model.bytesPerToken) { sum, layer in
            guard let attention = layer.0.attention, let cache = layer.1 else { return sum }
            return sum + min(position, attention.plan.window ?? .max) * cache.bytesPerPosition
        }
    }

    /// The steering plan with its gates open: the upper bound of its run time.
    ///
    /// - Throws: `TillerError.invalidProfile` where it acts on no timed token.
    private func steeringPlan() throws(TillerError) -> SteeringPlan {
        let plan = try engine.plan(options.steering) { $0.withOpenGates }
        func acts(isPrompt: Bool, tokens: Int, from start: Int) -> Bool {
            tokens > 0 && plan.firstPosition(isPrompt: isPrompt).map { $0 < start + tokens } ?? false
        }
        guard
            plan.isEmpty || acts(isPrompt: true, tokens: options.promptTokens, from: options.depth)
                || acts(isPrompt: false, tokens: options.generatedTokens, from: max(options.depth, 1))
        else {
            throw .invalidProfile(
                "the steering acts on none of the tokens to time, \(options.promptTokens) of a prompt and "
                    + "\(options.generatedTokens) generated: see its phase and positions with 'tiller profile show'"
            )
        }
        return plan
    }

    private func steer(_ session: Session, _ plan: SteeringPlan) throws(TillerError) {
        try session.steer(options.steering)
        session.setPlan(plan)
    }

    private func timeFirstToken(_ plan: SteeringPlan) throws(TillerError) -> Double {
        let start = MonotonicClock.now()
        let session = try engine.makeSession(contextLength: 17)
        try steer(session, plan)
        try session.evaluate(randomTokens(16))
        return MonotonicClock.now() - start
    }

    private func timePrefill(_ session: Session) throws(TillerError) -> Double {
        session.rewind(to: 0)
        if options.depth > 0 { try session.evaluate(randomTokens(options.depth)) }
        let start = MonotonicClock.now()
        try session.evaluate(randomTokens(options.promptTokens))
        return Double(options.promptTokens) / (MonotonicClock.now() - start)
    }

    private func timeDecode(_ session: Session) throws(TillerError) -> Double {
        session.rewind(to: 0)
        try session.evaluate(randomTokens(max(options.depth, 1)))
        var generation = GenerationOptions()
        generation.sampling = .greedy
        // The last token is sampled but not evaluated.
        generation.maximumTokens = options.generatedTokens + 1
        generation.ignoresEndOfGeneration = true
        generation.maximumDivergence = options.maximumDivergence
        // The unsteered session reads the prompt first; that time does not count.
        if options.maximumDivergence != nil, !options.steering.isEmpty { try readUnsteered(session) }
        let start = MonotonicClock.now()
        try session.generate(generation)
        return Double(options.generatedTokens) / (MonotonicClock.now() - start)
    }

    /// Generates two tokens, evaluates one and rewinds both. This includes all one-time work of the first bounded token.
    private func readUnsteered(_ session: Session) throws(TillerError) {
        var generation = GenerationOptions()
        generation.maximumTokens = 2
        generation.ignoresEndOfGeneration = true
        generation.maximumDivergence = options.maximumDivergence
        try session.generate(generation)
        session.rewind(to: session.tokens.count - 2)
    }

    /// Tokens spread over the vocabulary, the same in every run.
    private func randomTokens(_ count: Int) -> [Int32] {
        (0..<count).map { Int32(($0 &* 2_654_435_761 &+ 12345) % engine.vocabularySize) }
    }
}
