// SPDX-License-Identifier: Apache-2.0
// A GGUF becomes a .tiller file, tensor by tensor. The file appears under its name when it is whole.

import Formats
import Glibc
import JSON
import Platform
import Quantization
import Tokenization

/// Converts models. Memory stays bounded by a few tiles of the widest tensor.
package struct Converter: Sendable {
    private let encodings: EncodingChoice
    private let replacesExisting: Bool
    private let threadCount: Int
    /// Name and version of the program, for the manifest.
    private let program: String

    package init(encodings: EncodingChoice, replacesExisting: Bool, threadCount: Int, program: String) {
        self.encodings = encodings
        self.replacesExisting = replacesExisting
        self.threadCount = threadCount
        self.program = program
    }

    /// Reads a GGUF and writes a `.tiller` file.
    ///
    /// - Parameter progress: called with (bytes of the source done, bytes in all); false stops, and nothing is left.
    /// - Throws: `ConversionError`, `CancellationError` when stopped, or what reading and writing the files
    ///   throws. What lay at `output` stays.
    package func convert(
        _ source: String, to output: String, progress: (Int, Int) -> Bool = { _, _ in true }
    ) throws -> ConversionSummary {
        let start = MonotonicClock.now()
        let mapped = try MappedFile(path: source)
        try requireGGUF(mapped, path: source)
        try requireOther(output, than: source)
        let file = try GGUFFile(mapped: mapped)
        let (configuration, plan, tokenizer) = try prepare(file, path: source)
        var summary = ConversionSummary()
        summary.sourceByteCount = mapped.bytes.count

        let writer = try TillerFileWriter(path: output, replaceExisting: replacesExisting)
        try write(plan, of: file, with: writer, into: &summary, progress)
        let manifest = try makeManifest(file, mapped, source, configuration, summary)
        guard progress(1, 1) else { throw CancellationError() }
        try writer.finish(
            manifest: manifest, tokenizer: tokenizer,
            chatTemplate: file.metadata["tokenizer.chat_template"]?.string)
        summary.fileByteCount = try MappedFile(path: output).bytes.count
        summary.seconds = MonotonicClock.now() - start
        return summary
    }

    private func write(
        _ plan: TensorPlan, of file: GGUFFile, with writer: TillerFileWriter,
        into summary: inout ConversionSummary,
        _ progress: (Int, Int) -> Bool
    ) throws {
        let encoder = TensorEncoder(file: file, pool: ThreadPool(threadCount: threadCount))
        let total = plan.tensors.reduce(0) { $0 + $1.source.byteCount }
        var done = 0
        for tensor in plan.tensors {
            let (rows, columns) = (tensor.source.rows, tensor.source.columns)
            try writer.beginTensor(
                tensor.role, layer: tensor.layer, encoding: tensor.encoding, rows: rows, columns: columns)
            var written = 0
            let size = tensor.encoding.byteCount(rows: rows, columns: columns) ?? 0
            let error = try encoder.encode(tensor) { bytes in
                try writer.write(bytes)
                written += bytes.count
                let share = Double(written) / Double(max(size, 1)) * Double(tensor.source.byteCount)
                guard progress(done + Int(share), total) else { throw CancellationError() }
            }
            writer.endTensor()
            done += tensor.source.byteCount
            summary.add(tensor, byteCount: written, error: error)
        }
    }

    private func makeManifest(
        _ file: GGUFFile, _ mapped: MappedFile, _ path: String, _ configuration: ModelConfiguration,
        _ summary: ConversionSummary
    ) throws -> Manifest {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let types = Set(file.tensors.map(\.type.name)).sorted()
        return Manifest(
            name: file.metadata["general.name"]?.string ?? name,
            architecture: file.metadata["general.architecture"]?.string ?? "",
            license: file.metadata["general.license"]?.string ?? "",
            source: .init(
                fileName: name, sha256: SHA256.digest(of: ByteView(mapped.bytes, owner: mapped)),
                format: "GGUF",
                byteCount: mapped.bytes.count, types: types),
            converter: program, created: WallClock.isoDate(), configuration: configuration,
            statistics: .object(summary.json))
    }

    /// What can be found wrong before anything is written.
    private func prepare(_ file: GGUFFile, path: String) throws -> (ModelConfiguration, TensorPlan, [UInt8]) {
        do {
            let configuration = try ModelConfiguration(gguf: file)
            let plan = try TensorPlan(gguf: file, configuration: configuration, encodings: encodings)
            return (
                configuration, plan, try TokenizerBuilder(vocabulary: importTokenizer(from: file)).build()
            )
        } catch let error as FormatError {
            throw error.path.isEmpty ? ConversionError("\(path): \(error)") : error
        } catch { throw ConversionError("\(path): \(error)") }
    }

    private func requireGGUF(_ mapped: MappedFile, path: String) throws {
        guard !mapped.bytes.starts(with: "GGUF".utf8) else { return }
        let found =
            if mapped.bytes.isEmpty {
                "is empty"
            } else if mapped.bytes.dropFirst().starts(with: "TILLER\n".utf8) {
                "is a .tiller file already"
            } else {
                "begins with the bytes \(mapped.bytes.prefix(4).map { hexadecimal($0) }.joined(separator: " "))"
            }
        throw ConversionError("\(path) \(found), expected a GGUF file, which begins with 47 47 55 46")
    }

    private func hexadecimal(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    /// The source must survive, also under another of its names.
    private func requireOther(_ output: String, than source: String) throws {
        var (first, second) = (stat(), stat())
        guard stat(source, &first) == 0, stat(output, &second) == 0 else { return }
        guard first.st_dev != second.st_dev || first.st_ino != second.st_ino else {
            throw ConversionError("\(output) is the source itself; name another file for the output")
        }
    }
}
