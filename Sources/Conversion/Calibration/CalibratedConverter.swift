// SPDX-License-Identifier: Apache-2.0
// A conversion that knows the model it converts: the source runs over some text first, its encoding is fitted to what was
// seen, and the result is held against the source before it gets its name.

import Evaluation
import Formats
import JSON
import LinearAlgebra
import Platform
import Quantization
import Tiller

/// Converts with calibration and measures what it made.
package struct CalibratedConverter: Sendable {
    /// What is going on, for progress bars.
    package enum Phase: String, Sendable {
        case reference = "prepare"
        case calibrate
        case compare = "search"
        case convert = "encode"
        case fit, measure

        package var countsBytes: Bool { self == .reference || self == .convert }
    }

    package enum Effort: String, Sendable {
        case normal
        /// Errors of 4-bit matrices are passed on from column to column, which takes minutes and OpenBLAS.
        case high
    }

    /// Sources up to this size run in binary16 while they are calibrated; larger ones in 8 bits, which cost a hundredth
    /// of what 4 bits do.
    private static let largestExactWeightCount = 600_000_000

    /// One text of so many decides where feedback is used.
    private static let heldPeriod = 5

    package var encodings: EncodingChoice
    /// How large the file may become; nil takes `encodings` as they are, else each matrix gets 4 or 8 bits as is best.
    package var budget: Budget?
    /// nil takes the statistics that a .tiller file brings, else the built-in text.
    package var calibration: CalibrationSource?
    /// Whether the file gets what was seen of the model, for later conversions.
    package var keepsStatistics = false
    package var effort = Effort.normal
    package var replacesExisting: Bool
    package var threadCount: Int
    /// Name and version of the program, for the manifest.
    package var program: String

    package init(
        encodings: EncodingChoice, calibration: CalibrationSource?, replacesExisting: Bool, threadCount: Int,
        program: String
    ) {
        self.encodings = encodings
        self.calibration = calibration
        self.replacesExisting = replacesExisting
        self.threadCount = threadCount
        self.program = program
    }

    /// Reads a model and writes a `.tiller` file.
    ///
    /// - Parameters:
    ///   - path: a GGUF file, a model folder or a `.tiller` file.
    ///   - output: the file to write.
    ///   - progress: called with (phase, done, total); false stops, and nothing is left.
    /// - Throws: what `Converter` throws, or `TillerError`. What lay at `output` stays.
    package func convert(
        _ path: String, to output: String, progress: @escaping (Phase, Int, Int) -> Bool = { _, _, _ in true }
    ) throws -> ConversionSummary {
        let start = MonotonicClock.now()
        if effort == .high { try LinearAlgebra.load() }
        try OutputTarget.check(output, replaceExisting: replacesExisting)
        var converter = Converter(
            encodings: encodings, replacesExisting: replacesExisting, threadCount: threadCount,
            program: program)
        let reference = try reference(path, output: output) {
            progress(.reference, $0, $1)
        }
        converter.keepsStatistics = keepsStatistics
        converter.statistics = try statistics(reference) { progress(.calibrate, $0, $1) }
        if let budget {
            let allocated = try converter.allocating(
                budget, source: path, exact: reference, output: output,
                lists: comparisonLists(reference),
                texts: (calibration ?? .builtIn).tokenLists(reference)
            ) { progress(.compare, $0, $1) }
            converter.encodings = allocated
        }
        let feedback = try effort == .high ? feedback(reference) { progress(.fit, $0, $1) } : nil
        var summary = try converter.convert(
            path, to: output, feedback: feedback,
            progress: { progress(.convert, $0, $1) },
            trial: { file in try quality(file, output, reference) { progress(.measure, $0, $1) } })
        if let feedback { summary.remarks.append(feedback.remark) }
        summary.seconds = MonotonicClock.now() - start
        return summary
    }

    /// The source as a model that runs: itself, or a converted copy without a name.
    private func reference(
        _ path: String, output: String, progress: (Int, Int) -> Bool
    ) throws -> Engine {
        var options = Engine.Options()
        options.threads = threadCount
        guard let weightCount = try Converter.weightCount(of: path, output: output) else {
            return try Engine(path: path, options: options)
        }
        let encoding: TensorEncoding = weightCount <= Self.largestExactWeightCount ? .float16 : .int8
        var encodings = EncodingChoice(weights: encoding, head: encoding)
        encodings.widensBeyondFloat16 = true
        let exact = Converter(
            encodings: encodings, replacesExisting: true, threadCount: threadCount, program: program)
        let copy = try exact.copy(path, near: output, progress: progress)
        return try Engine(file: copy, path: output, options: options)
    }

    private func statistics(_ reference: Engine, progress: (Int, Int) -> Bool) throws -> CalibrationStatistics
    {
        if calibration == nil, let known = try reference.file.calibration() { return known }
        let lists = try (calibration ?? .builtIn).tokenLists(reference)
        return try .gather(lists, engine: reference, progress: progress)
    }

    /// - Throws: `LinearAlgebraError` without OpenBLAS, or what `CalibrationSource` throws.
    private func feedback(_ reference: Engine, progress: @escaping (Int, Int) -> Bool) throws
        -> MomentFeedback
    {
        let lists = try (calibration ?? .builtIn).tokenLists(reference)
        let held = Set(stride(from: Self.heldPeriod / 2, to: lists.count, by: Self.heldPeriod))
        return MomentFeedback(
            reference, lists: lists.indices.filter { !held.contains($0) }.map { lists[$0] },
            heldLists: held.sorted().map { lists[$0] }, threadCount: threadCount, progress: progress)
    }

    /// A little of two kinds of text: every matrix is tried on it.
    private func comparisonLists(_ reference: Engine) -> [[Int32]] {
        CalibrationText.comparison.map { Array(reference.encode($0).prefix(80)) }
    }

    /// How far the file is from the source; nil where that is not measured.
    private func quality(
        _ file: TillerFile, _ path: String, _ reference: Engine, progress: (Int, Int) -> Bool
    ) throws -> JSON? {
        var options = Engine.Options()
        options.threads = threadCount
        options.cache = reference.cacheEncoding == .float32 ? .float32 : nil
        let engine = try Engine(file: file, path: path, options: options)
        let encoding = reference.model.blocks[0].attention.query.encoding
        var isWanted = true
        let quality = try ConversionQuality.measure(engine, reference: reference, encoding: encoding.name) {
            isWanted = progress($0, $1) && isWanted
        }
        guard isWanted else { throw CancellationError() }
        return quality
    }
}
