// SPDX-License-Identifier: Apache-2.0
// Converts a source to a .tiller file, tensor by tensor. The file appears under its name once it is complete.

import Formats
import Glibc
import JSON
import LinearAlgebra
import Models
import Platform
import Quantization

/// Converts models. Memory is bounded by a few tiles of the widest tensor, and by the models that a calibration runs.
package struct Converter: Sendable {
    /// The current step, for progress bars.
    package enum Phase: String, Sendable {
        case reference = "prepare"
        case calibrate
        case compare = "search"
        case convert = "encode"
        case fit, measure

        package var countsBytes: Bool { self == .reference || self == .convert }
    }

    package var encodings: EncodingChoice
    /// The calibration that fits the weights and measures the result; nil does neither.
    package var calibration: Calibration?
    /// Statistics of the model's activations; nil treats all columns alike. A calibration gathers its own.
    package var statistics: CalibrationStatistics?
    /// The path of a LoRA adapter that is merged into the source: a folder as saved by PEFT, or llama.cpp's GGUF.
    package var adapter: String?
    /// Whether the file stores the statistics, for later conversions.
    package var keepsStatistics = false
    private let replacesExisting: Bool
    let threadCount: Int
    /// Name and version of the program, for the manifest.
    private let program: String

    package init(
        encodings: EncodingChoice, calibration: Calibration? = nil, replacesExisting: Bool, threadCount: Int,
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
    ///   - progress: called with (phase, done, total), at the end of `convert` with all bytes of the source's tensors; false
    ///     stops and leaves no file.
    /// - Throws: `ConversionError`, `TillerError`, `LinearAlgebraError` if high effort finds no OpenBLAS, `CancellationError`
    ///   when stopped, or the errors of reading and writing the files. An existing file at `output` stays.
    package func convert(
        _ path: String, to output: String, progress: @escaping (Phase, Int, Int) -> Bool = { _, _, _ in true }
    ) throws -> ConversionSummary {
        let start = MonotonicClock.now()
        if calibration?.effort == .high { try LinearAlgebra.load() }
        try OutputTarget.check(output, replaceExisting: replacesExisting)
        var source = try ConversionError.naming(path) { try ModelSource(path: path, output: output) }
        if let adapter {
            try ConversionError.naming(adapter) { try source.merge(Adapter(path: adapter, output: output)) }
        }
        var file =
            if let calibration {
                try calibrated(&source, by: calibration, near: output, progress)
            } else {
                try nameless(&source, scaling(of: source), near: output) { progress(.convert, $0, $1) }
            }
        try file.writer.commit()
        file.summary.fileByteCount = file.writer.byteCount
        file.summary.seconds = MonotonicClock.now() - start
        return file.summary
    }

    /// The scaling of a source's tensors by the statistics; nil without any.
    func scaling(of source: ModelSource) throws -> ScalingPlan? {
        try ConversionError.naming(source.path) {
            try ScalingPlan(source, statistics, pool: ThreadPool(threadCount: threadCount))
        }
    }

    /// A complete file that has no name yet; its bytes exist as long as the value.
    struct NamelessFile {
        let writer: TillerFileWriter
        private var manifest: Manifest
        var summary: ConversionSummary
        /// Writes the sections after the weights, with a manifest.
        private let complete: (Manifest) throws -> Void

        fileprivate init(
            _ writer: TillerFileWriter, _ manifest: Manifest, _ summary: ConversionSummary,
            complete: @escaping (Manifest) throws -> Void
        ) throws {
            (self.writer, self.manifest, self.summary) = (writer, manifest, summary)
            self.complete = complete
            try complete(manifest)
        }

        /// Stores the measured quality in the file.
        mutating func setQuality(_ quality: JSON) throws {
            summary.quality = quality
            manifest.quality = quality
            // Everything after the weights is written again, not appended: a truncated file must not pass for an older state.
            try complete(manifest)
        }
    }

    /// Writes a source as a file that has no name yet, in the folder of `output`.
    ///
    /// - Parameter progress: called with (bytes of the source's tensors done, bytes in all), finally with all of them.
    func nameless(
        _ source: inout ModelSource, _ scaling: ScalingPlan?, near output: String,
        feedback: GPTQFeedback? = nil, progress: (Int, Int) -> Bool
    ) throws -> NamelessFile {
        let plan = try ConversionError.naming(source.path) {
            try TensorPlan(source, encodings: encodings, scalings: scaling?.scalings ?? [:])
        }
        let headScaling: HeadScaling? = scaling.map(\.headScaling) ?? source.headScaling
        var summary = ConversionSummary()
        summary.sourceByteCount = source.readByteCount
        let (profiles, remarks) = source.profiles(keptUnder: headScaling)
        summary.remarks = source.remarks + remarks + [plan.remark].compactMap(\.self)

        let writer = try TillerFileWriter(path: output, replaceExisting: replacesExisting)
        try ConversionError.naming(source.path) {
            try write(plan, feedback, with: writer, into: &summary, progress)
        }
        let manifest = Manifest(
            name: source.name, architecture: source.architecture, license: source.license,
            source: source.manifestSource(), converter: program, created: WallClock.isoDate(),
            configuration: source.configuration, statistics: .object(summary.json),
            generation: source.generation)
        let byteCount = plan.sourceByteCount
        guard progress(byteCount, byteCount) else { throw CancellationError() }
        let (tokenizer, chatTemplate) = (source.tokenizer, source.chatTemplate)
        let kept = keepsStatistics ? scaling?.statistics : nil
        let encoded = try profiles.map { try $0.encoded(for: source.configuration) }
        return try NamelessFile(writer, manifest, summary) { manifest in
            try writer.complete(
                manifest: manifest, tokenizer: tokenizer, chatTemplate: chatTemplate, profiles: encoded,
                calibration: kept, headScaling: headScaling)
        }
    }

    private func write(
        _ plan: TensorPlan, _ feedback: GPTQFeedback?, with writer: TillerFileWriter,
        into summary: inout ConversionSummary,
        _ progress: (Int, Int) -> Bool
    ) throws {
        let encoder = TensorEncoder(pool: ThreadPool(threadCount: threadCount))
        let total = plan.sourceByteCount
        var done = 0
        for (index, tensor) in plan.tensors.enumerated() {
            let source = tensor.source
            let passing = try feedback?.feedback(for: index, of: plan)
            for segment in tensor.segments {
                try writer.beginTensor(
                    source.role, layer: source.layer, encoding: segment.encoding, rows: segment.rows.count,
                    columns: source.columns)
                var written = 0
                let size = segment.byteCount(columns: source.columns) ?? 0
                let sourceSize = Double(source.byteCount) / Double(source.rows) * Double(segment.rows.count)
                let error = try encoder.encode(segment, of: tensor, feedback: passing) { bytes in
                    try writer.write(bytes)
                    written += bytes.count
                    let share = Double(written) / Double(max(size, 1)) * sourceSize
                    guard progress(done + Int(share), total) else { throw CancellationError() }
                }
                writer.endTensor()
                done += Int(sourceSize)
                summary.add(segment, of: tensor, byteCount: written, error: error)
            }
            if tensor.isWidened { summary.widened.append(source.name) }
        }
    }
}

extension ConversionError {
    /// Adds the source's path to errors that do not name a file themselves.
    fileprivate static func naming<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as FormatError {
            throw error.path.isEmpty ? ConversionError("\(path): \(error)") : error
        } catch let error where error is FileError || error is CancellationError {
            throw error
        } catch let error as ConversionError where error.description.hasPrefix(path) {
            throw error
        } catch { throw ConversionError("\(path): \(error)") }
    }
}
