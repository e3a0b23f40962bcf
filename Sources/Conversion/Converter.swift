// SPDX-License-Identifier: Apache-2.0
// A source becomes a .tiller file, tensor by tensor. The file appears under its name when it is whole.

import Formats
import Glibc
import JSON
import LinearAlgebra
import Models
import Platform
import Quantization

/// Converts models. Memory stays bounded by a few tiles of the widest tensor, and by the models that a calibration runs.
package struct Converter: Sendable {
    /// What is going on, for progress bars.
    package enum Phase: String, Sendable {
        case reference = "prepare"
        case calibrate
        case compare = "search"
        case convert = "encode"
        case fit, measure

        package var countsBytes: Bool { self == .reference || self == .convert }
    }

    package var encodings: EncodingChoice
    /// What weights are fitted to and the result is measured by; nil does neither.
    package var calibration: Calibration?
    /// What is known of the model's activations; nil treats all columns alike. A calibration finds its own.
    package var statistics: CalibrationStatistics?
    /// Whether the file gets the statistics, for later conversions.
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
    ///     stops, and nothing is left.
    /// - Throws: `ConversionError`, `TillerError`, `LinearAlgebraError` where high effort finds no OpenBLAS,
    ///   `CancellationError` when stopped, or what reading and writing the files throws. What lay at `output` stays.
    package func convert(
        _ path: String, to output: String, progress: @escaping (Phase, Int, Int) -> Bool = { _, _, _ in true }
    ) throws -> ConversionSummary {
        let start = MonotonicClock.now()
        if calibration?.effort == .high { try LinearAlgebra.load() }
        try OutputTarget.check(output, replaceExisting: replacesExisting)
        var source = try ConversionError.naming(path) { try ModelSource(path: path, output: output) }
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

    /// What the statistics say of a source's tensors; nil without any.
    func scaling(of source: ModelSource) throws -> ScalingPlan? {
        try ConversionError.naming(source.path) {
            try ScalingPlan(source, statistics, pool: ThreadPool(threadCount: threadCount))
        }
    }

    /// A complete file before it has its name; its bytes last as long as the value.
    struct NamelessFile {
        let writer: TillerFileWriter
        private var manifest: Manifest
        var summary: ConversionSummary
        /// Writes what follows the weights, with a manifest.
        private let complete: (Manifest) throws -> Void

        fileprivate init(
            _ writer: TillerFileWriter, _ manifest: Manifest, _ summary: ConversionSummary,
            complete: @escaping (Manifest) throws -> Void
        ) throws {
            (self.writer, self.manifest, self.summary) = (writer, manifest, summary)
            self.complete = complete
            try complete(manifest)
        }

        /// Says in the file how good it is.
        mutating func setQuality(_ quality: JSON) throws {
            summary.quality = quality
            manifest.quality = quality
            // A new file has one state: cut short, it must not pass for an older one. So nothing is appended.
            try complete(manifest)
        }
    }

    /// Writes a source as a file that has no name yet, in the folder of `output`.
    ///
    /// - Parameter progress: called with (bytes of the source's tensors done, bytes in all), at last with all of them.
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
                let sourceSize = Double(source.bytes.count) / Double(source.rows) * Double(segment.rows.count)
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
