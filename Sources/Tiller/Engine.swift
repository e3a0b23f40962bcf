// SPDX-License-Identifier: Apache-2.0
// A loaded model. Loading maps the file and checks it; nothing is copied, repacked or parsed.

import ChatTemplates
import Formats
import Glibc
import Kernels
import Platform
import Quantization
import Steering
import Tokenization
import Transformer

/// A model with its tokenizer and steering profiles, ready to run; share one between any number of sessions and threads.
///
/// Sessions on different threads take turns: each generates the text that it generates alone.
///
/// ```swift
/// let engine = try Engine(path: "model.tiller")
/// let session = try engine.makeSession()
/// try session.steer([AppliedProfile("cheerful", strength: 1)])
/// try session.evaluate(engine.encode("Hello"))
/// let result = try session.generate(.init()) { print($0.text, terminator: ""); return true }
/// ```
public final class Engine: Sendable {
    /// How keys and values are kept.
    public enum CacheType: String, Sendable, CaseIterable {
        case float32 = "f32", float16 = "f16", int8

        /// What the cache's memory holds.
        package var encoding: CacheEncoding {
            switch self {
            case .float32: .float32
            case .float16: .float16
            case .int8: .int8
            }
        }
    }

    /// Choices that a model leaves open.
    public struct Options: Sendable {
        /// Threads; nil takes the physical cores allowed to this process.
        public var threads: Int?
        /// Instruction set: "portable", on x86-64 "avx2" and "avx512", on ARM "neon", "neon-dotprod" and "neon-i8mm";
        /// nil takes the best.
        public var kernels: String?
        /// Cache type; nil takes int8, or float32 for a model with float32 weights.
        public var cache: CacheType?
        /// The most bytes of weights in resident memory; layers beyond are mapped only while they are read, which costs
        /// speed. Nil keeps all.
        public var residentWeights: Int?
        /// Elements of work below which one thread does it alone; tests take 0.
        package var smallWork = Compute.usualSmallWork

        public init() {}
    }

    package let file: TillerFile
    package let model: Model
    package let compute: Compute
    package let tokenizer: Tokenizer
    package let cacheEncoding: CacheEncoding
    /// The limit that the options set.
    package let residentWeights: Int?
    private let forwardPass: ForwardPass

    /// Maps a `.tiller` file and checks everything but the weights' checksums (see `verify`).
    ///
    /// - Throws: `TillerError` that says what is wrong with the file or an option.
    public convenience init(path: String, options: Options = .init()) throws(TillerError) {
        try self.init(file: openModelFile(path), path: path, options: options)
    }

    package init(file: TillerFile, path: String, options: Options) throws(TillerError) {
        if let threads = options.threads, !(1...256).contains(threads) {
            throw .invalidOption("threads is \(threads), expected 1...256")
        }
        do {
            self.file = file
            model = try Model(file: file)
            guard let tables = file.tokenizerBytes else {
                throw TillerError.invalidFile("it holds no tokenizer")
            }
            tokenizer = try Tokenizer(bytes: tables.bytes, owner: tables.owner)
        } catch {
            throw .invalidFile("\(path): \(error)")
        }
        guard tokenizer.vocabularySize <= model.configuration.vocabularySize else {
            throw .invalidFile(
                "\(path): the tokenizer has \(tokenizer.vocabularySize) tokens, the embedding "
                    + "\(model.configuration.vocabularySize) rows")
        }
        let kernels: KernelSet
        do { kernels = try options.kernels.map(KernelSet.named) ?? .best } catch {
            throw .invalidOption("\(error)")
        }
        do {
            compute = try Compute(
                kernels: kernels, threadCount: options.threads ?? Processor.ownCoreCount,
                smallWork: options.smallWork)
        } catch { throw TillerError(error) }
        cacheEncoding = try Self.cacheEncoding(options.cache, for: file)
        residentWeights = options.residentWeights
        let streamed = try options.residentWeights.flatMap { limit throws(TillerError) in
            try Self.streamedLayers(of: file, limit: limit)
        }
        do {
            forwardPass = try ForwardPass(model: model, compute: compute, streamed: streamed)
        } catch { throw TillerError(error) }
    }

    /// The least that `Options.residentWeights` may be.
    package static func leastResidentWeights(of file: TillerFile) -> Int {
        StreamedLayers.leastByteCount(of: file)
    }

    private static func streamedLayers(
        of file: TillerFile, limit: Int
    ) throws(TillerError) -> StreamedLayers? {
        let least = leastResidentWeights(of: file)
        guard limit >= least else {
            throw .invalidOption(
                "resident weights are limited to \(limit) bytes, expected \(least) or more for this model: its "
                    + "vocabulary and the layers in use stay in memory")
        }
        return StreamedLayers(of: file, limit: limit)
    }

    /// How keys and values of a model are kept. 8-bit caches need heads of whole groups; where nothing was asked for, others
    /// fall back to binary16.
    ///
    /// - Throws: `TillerError.invalidOption` where the model cannot have what was asked for.
    package static func cacheEncoding(_ wanted: CacheType?, for file: TillerFile) throws(TillerError)
        -> CacheEncoding
    {
        let headSize = file.manifest.configuration.headSize
        let hasGroups = headSize % TensorEncoding.groupSize == 0
        guard let wanted else {
            if file.tensorIndex[.query, 0]?.encoding == .float32 { return .float32 }
            return hasGroups ? .int8 : .float16
        }
        guard wanted != .int8 || hasGroups else {
            throw .invalidOption(
                "an int8 cache needs heads of a multiple of 32, these have \(headSize); take f16")
        }
        return wanted.encoding
    }

    // MARK: - What the model is

    /// The model's name, as its source gave it.
    public var modelName: String { file.manifest.name }
    /// Tokens that the model was trained to attend over.
    public var contextLength: Int { model.configuration.contextLength }
    /// Number of token ids.
    public var vocabularySize: Int { model.configuration.vocabularySize }
    /// The instruction set in use.
    public var kernelName: String { compute.kernels.name }
    /// The number of threads in use.
    public var threadCount: Int { compute.threadCount }
    /// Bytes of the weights, which are read once for each generated token.
    public var weightsByteCount: Int { file.weights.count }
    /// The names of the profiles in the file.
    public var profileNames: [String] { file.profiles.map(\.name) }

    // MARK: - Text and tokens

    /// Token ids of a text; special tokens are only made from it where `parsingSpecial` asks for it.
    ///
    /// With `addingSpecial` the text begins as the model wants its texts to begin. No end of sequence is put after it,
    /// even if the model wants one: what is encoded here is continued, or scored like a part of a longer text.
    /// After an interrupt that the program catches, the tokens up to there are returned.
    public func encode(_ text: String, addingSpecial: Bool = true, parsingSpecial: Bool = false) -> [Int32] {
        let begin = addingSpecial ? beginOfText.map { [$0] } ?? [] : []
        return begin
            + tokenizer.encode(text, addSpecial: false, parseSpecial: parsingSpecial) {
                Interrupt.isRequested
            }
    }

    /// The same of a text that is to fit a context: a longer one is refused when that is known, not encoded to its end.
    ///
    /// - Throws: `TillerError.contextOverflow`, with the tokens that were counted or that the text has at least.
    package func encode(
        _ text: String, parsingSpecial: Bool = false, fitting contextLength: Int
    ) throws(TillerError) -> [Int32] {
        let begin = beginOfText.map { [$0] } ?? []
        try requireRoom(tokenizer.leastTokenCount(of: text), contextLength)
        let tokens =
            begin
            + tokenizer.encode(
                text, addSpecial: false, parseSpecial: parsingSpecial, maximumCount: contextLength
            ) { Interrupt.isRequested }
        try requireRoom(tokens.count, contextLength)
        return tokens
    }

    /// - Throws: `TillerError.contextOverflow`.
    func requireRoom(_ tokenCount: Int, _ contextLength: Int) throws(TillerError) {
        guard tokenCount <= contextLength else {
            throw .contextOverflow(needed: tokenCount, available: contextLength)
        }
    }

    /// Text of token ids; invalid UTF-8 becomes U+FFFD.
    public func decode(_ tokens: [Int32], skippingSpecial: Bool = true) -> String {
        tokenizer.decodeText(tokens, skipSpecial: skippingSpecial)
    }

    /// The token that begins every text of this model, where it wants one.
    package var beginOfText: Int32? { tokenizer.addsBeginOfSequence ? tokenizer.beginOfSequence : nil }

    /// Whether a token ends a turn or the text.
    public func isEndOfGeneration(_ token: Int32) -> Bool { tokenizer.isEndOfGeneration(token) }

    // MARK: - Sessions

    /// A new, empty timeline.
    ///
    /// - Parameter contextLength: tokens that it can hold; nil takes the model's, at most 4,096.
    /// - Throws: `TillerError.invalidOption`, or `.outOfMemory`: what a session needs is there from its beginning.
    public func makeSession(contextLength: Int? = nil) throws(TillerError) -> Session {
        try makeSession(contextLength: contextLength, forAllLogits: false)
    }

    /// The same; also for who asks for the logits of all tokens.
    package func makeSession(contextLength: Int?, forAllLogits: Bool) throws(TillerError) -> Session {
        let length = contextLength ?? min(self.contextLength, 4096)
        guard length >= 1, length <= 1 << 20 else {
            throw .invalidOption("context is \(length), expected 1...\(1 << 20)")
        }
        do {
            try forwardPass.reserve(
                contextLength: length, cache: cacheEncoding, allLogits: forAllLogits)
            return try Session(engine: self, contextLength: length)
        } catch {
            throw .outOfMemory("a context of \(length) tokens does not fit, choose a smaller one; \(error)")
        }
    }

    /// Makes room for evaluations up to the end of a context, where there is not enough yet.
    ///
    /// - Parameter allLogits: see `ForwardPass.reserve`.
    func reserve(contextLength: Int, allLogits: Bool) throws(TillerError) {
        do {
            try forwardPass.reserve(
                contextLength: contextLength, cache: cacheEncoding, allLogits: allLogits)
        } catch { throw TillerError(error) }
    }

    /// Timelines to score texts with side by side, as long as the model or a limit allows.
    package func makeSessions(count: Int, tokenLimit: Int) throws(TillerError) -> [Session] {
        var sessions: [Session] = []
        for _ in 0..<count {
            sessions.append(try makeSession(contextLength: min(tokenLimit, max(contextLength, 16))))
        }
        return sessions
    }

    /// Bytes that are allocated by now besides weights and sessions, of activations in the forms that are written.
    package var allocatedByteCount: Int {
        forwardPass.allocatedByteCount(form: MemoryPrediction.form(of: file))
    }

    /// Runs tokens of a timeline; the batches of sessions on other threads take turns with its own.
    ///
    /// - Parameter shouldContinue: see `ForwardPass`.
    /// - Returns: whether all was evaluated.
    @discardableResult
    package func evaluate(
        _ tokens: UnsafeBufferPointer<Int32>, cache: KeyValueCache, _ evaluation: ForwardOptions,
        request: LogitsRequest, while shouldContinue: () -> Bool = { true }
    ) -> Bool {
        forwardPass.evaluate(tokens, cache: cache, evaluation, request: request, while: shouldContinue)
    }

    /// Runs parts of several timelines together.
    package func evaluate(
        _ parts: [TimelinePart], visit: ((Int, Int, UnsafeBufferPointer<Float>) -> Void)?
    ) {
        forwardPass.evaluate(parts, visit: visit)
    }

    /// Runs one token of each of two timelines.
    package func evaluatePair(
        _ tokens: UnsafeBufferPointer<Int32>, first: (cache: KeyValueCache, evaluation: ForwardOptions),
        second: (cache: KeyValueCache, evaluation: ForwardOptions),
        logits: (first: AlignedBuffer<Float>, second: AlignedBuffer<Float>)
    ) {
        forwardPass.evaluatePair(tokens, first: first, second: second) { timeline, row in
            guard let base = row.baseAddress else { return }
            let target = timeline == 0 ? logits.first : logits.second
            target.baseAddress.update(from: base, count: min(row.count, target.count))
        }
    }
}
