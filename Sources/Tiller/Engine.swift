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

/// A model with its tokenizer and steering profiles, ready to run; any number of sessions and threads can share it.
///
/// Sessions on different threads take turns: each generates the same text as if it ran alone.
///
/// ```swift
/// let engine = try Engine(path: "model.tiller")
/// let session = try engine.makeSession()
/// try session.steer([AppliedProfile("cheerful", strength: 1)])
/// try session.evaluate(engine.encode("Hello"))
/// let result = try session.generate(.init()) { print($0.text, terminator: ""); return true }
/// ```
public final class Engine: Sendable {
    /// How the KV cache stores keys and values.
    public enum CacheType: String, Sendable, CaseIterable {
        case float32 = "f32", float16 = "f16", int8

        /// The encoding of the cache's elements.
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
        /// Instruction set: "portable", on x86-64 "avx2" and "avx512", on ARM "neon", "neon-dotprod" and "neon-i8mm"; nil takes
        /// the best available.
        public var kernels: String?
        /// Cache type; nil takes int8, or float32 for a model with float32 weights.
        public var cache: CacheType?
        /// The most bytes of weights in resident memory; layers beyond are mapped only while they are read, which costs speed.
        /// Nil keeps all resident.
        public var residentWeights: Int?
        /// Element count below which one thread does all the work; tests take 0.
        package var smallWork = Compute.usualSmallWork

        public init() {}
    }

    package let file: TillerFile
    package let model: Model
    package let compute: Compute
    package let tokenizer: Tokenizer
    package let cacheEncoding: CacheEncoding
    /// The limit from the options.
    package let residentWeights: Int?
    private let forwardPass: ForwardPass

    /// Maps a `.tiller` file and checks everything except the weights' checksums (see `verify`).
    ///
    /// - Throws: `TillerError` that describes the problem with the file or an option.
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
                throw TillerError.invalidFile("the file has no tokenizer")
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

    /// The smallest valid `Options.residentWeights`.
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

    /// The encoding of a model's KV cache. 8-bit caches require heads of whole groups; by default, other models fall back to
    /// binary16.
    ///
    /// - Throws: `TillerError.invalidOption` if the model does not support the requested type.
    package static func cacheEncoding(_ wanted: CacheType?, for file: TillerFile) throws(TillerError)
        -> CacheEncoding
    {
        let headSize = file.manifest.configuration.headSize
        let hasGroups = headSize % TensorEncoding.groupSize == 0
        guard let wanted else {
            let query = file.tensorIndex.entries.first { $0.role == .query }
            if query?.encoding == .float32 { return .float32 }
            return hasGroups ? .int8 : .float16
        }
        guard wanted != .int8 || hasGroups else {
            throw .invalidOption(
                "an int8 cache needs a head size that is a multiple of 32, not \(headSize); use f16")
        }
        return wanted.encoding
    }

    // MARK: - What the model is

    /// The model's name in its source.
    public var modelName: String { file.manifest.name }
    /// The context length in training, in tokens.
    public var contextLength: Int { model.configuration.contextLength }
    /// Number of token ids.
    public var vocabularySize: Int { model.configuration.vocabularySize }
    /// The instruction set in use.
    public var kernelName: String { compute.kernels.name }
    /// The number of threads in use.
    public var threadCount: Int { compute.threadCount }
    /// Bytes of all weights in the file.
    public var weightsByteCount: Int { file.weights.count }
    /// The names of the profiles in the file.
    public var profileNames: [String] { file.profiles.map(\.name) }

    // MARK: - Text and tokens

    /// Token ids of a text; special tokens are recognized in it only if `parsingSpecial` is true.
    ///
    /// With `addingSpecial` the text begins with the tokens that the model expects at the start. No end of sequence follows, even
    /// if the model expects one: the text is to be continued, or is scored as part of a longer text. After an interrupt that the
    /// program catches, it returns the tokens encoded so far.
    public func encode(_ text: String, addingSpecial: Bool = true, parsingSpecial: Bool = false) -> [Int32] {
        let begin = addingSpecial ? beginOfText.map { [$0] } ?? [] : []
        return begin
            + tokenizer.encode(text, addSpecial: false, parseSpecial: parsingSpecial) {
                Interrupt.isRequested
            }
    }

    /// The same for a text that must fit a context: encoding stops as soon as it is known to be too long.
    ///
    /// - Throws: `TillerError.contextOverflow` with the tokens counted so far, or the fewest that the text can have.
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

    /// The token that begins every text of this model; nil if it expects none.
    package var beginOfText: Int32? { tokenizer.addsBeginOfSequence ? tokenizer.beginOfSequence : nil }

    /// Whether a token ends a turn or the text.
    public func isEndOfGeneration(_ token: Int32) -> Bool { tokenizer.isEndOfGeneration(token) }

    // MARK: - Sessions

    /// A new, empty timeline.
    ///
    /// - Parameter contextLength: the session's capacity in tokens; nil takes the model's, at most 4,096.
    /// - Throws: `TillerError.invalidOption`, or `.outOfMemory`: a session allocates all its memory at creation.
    public func makeSession(contextLength: Int? = nil) throws(TillerError) -> Session {
        try makeSession(contextLength: contextLength, forAllLogits: false)
    }

    /// The same; also for callers that request the logits of all tokens.
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

    /// Allocates room for evaluations up to the end of a context, if there is not enough yet.
    ///
    /// - Parameter allLogits: see `ForwardPass.reserve`.
    func reserve(contextLength: Int, allLogits: Bool) throws(TillerError) {
        do {
            try forwardPass.reserve(
                contextLength: contextLength, cache: cacheEncoding, allLogits: allLogits)
        } catch { throw TillerError(error) }
    }

    /// Timelines for scoring texts side by side, of the length that the model and the limit allow.
    package func makeSessions(count: Int, tokenLimit: Int) throws(TillerError) -> [Session] {
        var sessions: [Session] = []
        for _ in 0..<count {
            sessions.append(try makeSession(contextLength: min(tokenLimit, max(contextLength, 16))))
        }
        return sessions
    }

    /// Bytes allocated so far besides weights and sessions, counting activations in the forms that are written.
    package var allocatedByteCount: Int {
        forwardPass.allocatedByteCount(form: MemoryPrediction.form(of: file))
    }

    /// Evaluates tokens of a timeline; its batches take turns with those of sessions on other threads.
    ///
    /// - Parameter shouldContinue: see `ForwardPass`.
    /// - Returns: whether all tokens were evaluated.
    @discardableResult
    package func evaluate(
        _ tokens: UnsafeBufferPointer<Int32>, state: SequenceState, _ evaluation: ForwardOptions,
        request: LogitsRequest, while shouldContinue: () -> Bool = { true }
    ) -> Bool {
        forwardPass.evaluate(tokens, state: state, evaluation, request: request, while: shouldContinue)
    }

    /// Evaluates parts of several timelines together.
    package func evaluate(
        _ parts: [TimelinePart], visit: ((Int, Int, UnsafeBufferPointer<Float>) -> Void)?
    ) {
        forwardPass.evaluate(parts, visit: visit)
    }

    /// Evaluates one token of each of two timelines together.
    package func evaluatePair(
        _ tokens: UnsafeBufferPointer<Int32>, first: (state: SequenceState, evaluation: ForwardOptions),
        second: (state: SequenceState, evaluation: ForwardOptions),
        logits: (first: AlignedBuffer<Float>, second: AlignedBuffer<Float>)
    ) {
        forwardPass.evaluatePair(tokens, first: first, second: second) { timeline, row in
            guard let base = row.baseAddress else { return }
            let target = timeline == 0 ? logits.first : logits.second
            target.baseAddress.update(from: base, count: min(row.count, target.count))
        }
    }
}
