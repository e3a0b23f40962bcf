// SPDX-License-Identifier: Apache-2.0
// A conversion with calibration: the source first runs over some text, the encoding is fitted to the activations recorded there,
// and the result is compared with the source before the file gets its name.

import Evaluation
import Formats
import JSON
import Quantization
import Tiller

/// How a conversion calibrates, and how it uses the result.
package struct Calibration: Sendable {
    package enum Effort: String, Sendable {
        case normal
        /// 4-bit matrices are rounded with GPTQ, which takes minutes and OpenBLAS.
        case high
    }

    /// Nil takes the statistics in a .tiller file if there are any, else the built-in text.
    package var source: CalibrationSource?
    /// Limit on the file's size; nil keeps the chosen encodings, otherwise each matrix gets the best of 3, 4, 5 or 8 bits.
    package var budget: Budget?
    package var effort: Effort

    package init(_ source: CalibrationSource? = nil, budget: Budget? = nil, effort: Effort = .normal) {
        (self.source, self.budget, self.effort) = (source, budget, effort)
    }

    fileprivate func tokenLists(_ reference: Engine) throws(TillerError) -> [[Int32]] {
        try (source ?? .builtIn).tokenLists(reference)
    }

    fileprivate func statistics(
        _ reference: Engine, progress: (Int, Int) -> Bool
    ) throws -> CalibrationStatistics {
        if source == nil, let known = try reference.file.calibration() { return known }
        return try .gather(tokenLists(reference), engine: reference, progress: progress)
    }
}

extension Converter {
    /// Sources up to this size run in binary16 during calibration; larger ones in 8 bits, whose error is a hundredth of that of 4
    /// bits.
    private static let largestExactWeightCount = 600_000_000

    /// Every fifth text is held out to decide where GPTQ is used.
    private static let heldPeriod = 5

    /// Converts with statistics of the source's activations, and measures the result.
    func calibrated(
        _ source: inout ModelSource, by calibration: Calibration, near output: String,
        _ progress: @escaping (Phase, Int, Int) -> Bool
    ) throws -> NamelessFile {
        let reference = try reference(&source, near: output) { progress(.reference, $0, $1) }
        var converter = self
        converter.statistics = try calibration.statistics(reference) { progress(.calibrate, $0, $1) }
        let scaling = try converter.scaling(of: source)
        if let budget = calibration.budget {
            // Short excerpts of two kinds of text: every matrix is measured on them.
            let lists = CalibrationText.comparison.map { Array(reference.encode($0).prefix(80)) }
            converter.encodings = try converter.allocating(
                budget, &source, scaling, exact: reference, output: output, lists: lists,
                texts: calibration.tokenLists(reference)
            ) { progress(.compare, $0, $1) }
        }
        let feedback =
            try calibration.effort == .high
            ? feedback(calibration.tokenLists(reference), reference) { progress(.fit, $0, $1) } : nil
        var file = try converter.nameless(&source, scaling, near: output, feedback: feedback) {
            progress(.convert, $0, $1)
        }
        let quality = try quality(file.writer.opened(), output, reference) { progress(.measure, $0, $1) }
        if let quality { try file.setQuality(quality) }
        if let feedback { file.summary.remarks.append(feedback.remark) }
        return file
    }

    /// The source as a runnable model: itself, or a converted copy.
    private func reference(
        _ source: inout ModelSource, near output: String, progress: (Int, Int) -> Bool
    ) throws -> Engine {
        if let file = source.file {
            return try Engine(file: file, path: source.path, options: engineOptions)
        }
        let encoding: TensorEncoding =
            source.weightCount <= Self.largestExactWeightCount ? .float16 : .int8
        var encodings = EncodingChoice(weights: encoding, head: encoding)
        encodings.widensBeyondFloat16 = true
        return try copy(&source, encodings, nil, near: output, progress: progress)
    }

    /// A runnable conversion that never gets a name.
    func copy(
        _ source: inout ModelSource, _ encodings: EncodingChoice, _ scaling: ScalingPlan?,
        near output: String, progress: (Int, Int) -> Bool
    ) throws -> Engine {
        var converter = self
        converter.encodings = encodings
        let file = try converter.nameless(&source, scaling, near: output, progress: progress)
        return try Engine(file: file.writer.opened(), path: output, options: engineOptions)
    }

    private var engineOptions: Engine.Options {
        var options = Engine.Options()
        options.threads = threadCount
        return options
    }

    private func feedback(
        _ lists: [[Int32]], _ reference: Engine, progress: @escaping (Int, Int) -> Bool
    ) -> GPTQFeedback {
        let held = Set(stride(from: Self.heldPeriod / 2, to: lists.count, by: Self.heldPeriod))
        return GPTQFeedback(
            reference, lists: lists.indices.filter { !held.contains($0) }.map { lists[$0] },
            heldLists: held.sorted().map { lists[$0] }, threadCount: threadCount, progress: progress)
    }

    /// The file's divergence from the source; nil if it is not measured.
    private func quality(
        _ file: TillerFile, _ path: String, _ reference: Engine, progress: (Int, Int) -> Bool
    ) throws -> JSON? {
        var options = engineOptions
        options.cache = reference.cacheEncoding == .float32 ? .float32 : nil
        let engine = try Engine(file: file, path: path, options: options)
        let encoding = reference.model.blocks[0].feedForward.gate.encoding
        var isWanted = true
        let quality = try ConversionQuality.measure(engine, reference: reference, encoding: encoding.name) {
            isWanted = progress($0, $1) && isWanted
        }
        guard isWanted else { throw CancellationError() }
        return quality
    }
}
