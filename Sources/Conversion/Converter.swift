// SPDX-License-Identifier: Apache-2.0
// A source becomes a .tiller file, tensor by tensor. The file appears under its name when it is whole.

import Formats
import Glibc
import JSON
import Platform
import Quantization

/// Converts models. Memory stays bounded by a few tiles of the widest tensor.
package struct Converter: Sendable {
    package var encodings: EncodingChoice
    private let replacesExisting: Bool
    package let threadCount: Int
    /// Name and version of the program, for the manifest.
    private let program: String
    /// What is known of the model's activations; nil treats all columns alike.
    package var statistics: CalibrationStatistics?
    /// Whether the file gets the statistics, for later conversions.
    package var keepsStatistics = false
    package init(encodings: EncodingChoice, replacesExisting: Bool, threadCount: Int, program: String) {
        self.encodings = encodings
        self.replacesExisting = replacesExisting
        self.threadCount = threadCount
        self.program = program
    }

    /// Reads a model and writes a `.tiller` file.
    ///
    /// - Parameters:
    ///   - path: a GGUF file, a model folder or a `.tiller` file.
    ///   - output: the file to write.
    ///   - feedback: passes errors of 4-bit matrices on to where they do least; nil rounds every weight for itself.
    ///   - progress: called with (bytes of the source's tensors done, bytes in all), at last with all of them; false stops, and nothing is left.
    ///   - trial: tries the file before it has its name, and says how good it is.
    /// - Throws: `ConversionError`, `CancellationError` when stopped, or what reading and writing the files
    ///   throws. What lay at `output` stays.
    package func convert(
        _ path: String, to output: String, feedback: (any FeedbackSource)? = nil,
        progress: (Int, Int) -> Bool = { _, _ in true }, trial: ((TillerFile) throws -> JSON?)? = nil
    ) throws -> ConversionSummary {
        let start = MonotonicClock.now()
        var file = try nameless(path, near: output, feedback: feedback, progress: progress)
        if let trial, let quality = try trial(file.writer.opened()) {
            file.summary.quality = quality
            file.manifest.quality = quality
            // A new file has one state: cut short, it must not pass for an older one. So nothing is appended.
            try file.complete(file.manifest)
        }
        try file.writer.commit()
        file.summary.fileByteCount = file.writer.byteCount
        file.summary.seconds = MonotonicClock.now() - start
        return file.summary
    }

    /// Reads a model and gives it as a `.tiller` file that never has a name: its bytes last as long as the value.
    ///
    /// - Parameter output: the file's folder is this one's.
    /// - Throws: as `convert`.
    package func copy(
        _ path: String, near output: String, progress: (Int, Int) -> Bool = { _, _ in true }
    ) throws -> TillerFile {
        try nameless(path, near: output, feedback: nil, progress: progress).writer.opened()
    }

    /// A complete file before it has its name.
    private struct NamelessFile {
        let writer: TillerFileWriter
        var manifest: Manifest
        var summary: ConversionSummary
        /// Writes what follows the weights, with a manifest.
        let complete: (Manifest) throws -> Void
    }

    private func nameless(
        _ path: String, near output: String, feedback: (any FeedbackSource)?, progress: (Int, Int) -> Bool
    ) throws -> NamelessFile {
        var kept: CalibrationStatistics?
        let (source, plan, headScaling) = try Self.namingSource(path) {
            let source = try ModelSource(path: path, output: output)
            let treatment = try TreatmentPlan(source, statistics, pool: ThreadPool(threadCount: threadCount))
            if keepsStatistics { kept = treatment?.statistics }
            let plan = try TensorPlan(
                source, encodings: encodings, treatments: treatment?.treatments ?? [:])
            let headScaling: HeadScaling? = treatment.map(\.headScaling) ?? source.headScaling
            return (source, plan, headScaling)
        }
        var summary = ConversionSummary()
        summary.sourceByteCount = source.readByteCount
        let (profiles, remarks) = source.profiles(keptUnder: headScaling)
        summary.remarks = source.remarks + remarks + [plan.remark].compactMap(\.self)

        let writer = try TillerFileWriter(path: output, replaceExisting: replacesExisting)
        try Self.namingSource(path) { try write(plan, feedback, with: writer, into: &summary, progress) }
        let manifest = Manifest(
            name: source.name, architecture: source.architecture, license: source.license,
            source: source.manifestSource(), converter: program, created: WallClock.isoDate(),
            configuration: source.configuration, statistics: .object(summary.json),
            generation: source.generation)
        let byteCount = plan.sourceByteCount
        guard progress(byteCount, byteCount) else { throw CancellationError() }
        let (tokenizer, chatTemplate) = (source.tokenizer, source.chatTemplate)
        let encoded = try profiles.map { try $0.encoded(for: source.configuration) }
        let file = NamelessFile(writer: writer, manifest: manifest, summary: summary) { [kept] manifest in
            try writer.complete(
                manifest: manifest, tokenizer: tokenizer, chatTemplate: chatTemplate, profiles: encoded,
                calibration: kept, headScaling: headScaling)
        }
        try file.complete(manifest)
        return file
    }

    private func write(
        _ plan: TensorPlan, _ feedback: (any FeedbackSource)?, with writer: TillerFileWriter,
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

    /// The weights of a source that must be converted before it can run; nil for a `.tiller` file, which runs as it is.
    ///
    /// - Throws: as `convert` does, where the source cannot be read or is `output` itself.
    package static func weightCount(of path: String, output: String) throws -> Int? {
        let source = try namingSource(path) { try ModelSource(path: path, output: output) }
        return source.isRunnable ? nil : source.weightCount
    }

    /// Adds the source's path to errors that do not name a file themselves.
    private static func namingSource<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
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
