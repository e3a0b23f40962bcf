// SPDX-License-Identifier: Apache-2.0
// tiller convert: a GGUF, a model folder or a .tiller file becomes one .tiller file.

import ArgumentParser
import Conversion
import Platform
import Quantization
import Terminal
import Tiller

struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Convert a model to a .tiller file.",
        usage: "tiller convert [<options>] <source> <output>",
        discussion:
            """
            The source is one of three:
              a GGUF file,
              a folder as Hugging Face's transformers saves a model: config.json,
                tokenizer.json and safetensors files, one or several with an index,
              a .tiller file, whose weights get another encoding; profiles that
                belong to them go along.

            The file appears under its name when it is whole; what lay there before
            stays until then.
            """)

    @Argument(help: "The model: a GGUF file, a model folder or a .tiller file.")
    var source: String

    @Argument(help: "The .tiller file to write.")
    var output: String

    @Option(help: ArgumentHelp("Weights: int4, int8, f16 or f32.", valueName: "encoding"))
    var weights = "int4"

    @Option(
        help: ArgumentHelp(
            "Embedding and head, likewise; int8 for int4 weights, else like the weights, unless given.",
            valueName: "encoding"))
    var head: String?

    @Flag(help: "Overwrite the output.")
    var force = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Threads; the physical cores allowed to the process unless given.", valueName: "n")
    )
    var threads: Int?

    func run() throws {
        let body = try encoding(weights, option: "--weights")
        let headEncoding =
            try head.map { try encoding($0, option: "--head") } ?? (body == .int4 ? .int8 : body)
        try require(threads ?? 1, in: 1...256, option: "--threads")
        try requireFree(output, force: force)
        let converter = Converter(
            encodings: EncodingChoice(weights: body, head: headEncoding), replacesExisting: force,
            threadCount: threads ?? Processor.physicalCoreCount(), program: "tiller \(tillerVersion)")
        let bar = ProgressBar(label: "convert", total: 1, unit: .bytes)
        Interrupt.install(includingTermination: true)
        let summary = try converter.convert(source, to: output) { done, total in
            bar.update(done, total: total)
            return !Interrupt.isRequested
        }
        bar.finish()
        report(summary)
    }

    private func encoding(_ name: String, option: String) throws -> TensorEncoding {
        guard let encoding = TensorEncoding(name: name) else {
            throw TillerError.invalidOption("\(option) is '\(name)', expected int4, int8, f16 or f32")
        }
        return encoding
    }

    private func report(_ summary: ConversionSummary) {
        let ratio = Double(summary.fileByteCount) / Double(max(summary.sourceByteCount, 1))
        printLine(
            "size      \(formatted(bytes: summary.sourceByteCount)) -> \(formatted(bytes: summary.fileByteCount))"
                + " (\(formatted(ratio * 100, digits: 0)) %)")
        printLine(
            "weights   \(formatted(Double(summary.weightCount) / 1e6, digits: 1)) M at "
                + "\(formatted(summary.bitsPerWeight, digits: 2)) bits")
        for share in summary.shares where share.encoding != .vector {
            let tensors = "\(share.tensorCount) tensor\(share.tensorCount == 1 ? "" : "s")"
            printLine(
                "  \(share.encoding.name.padded(to: 7)) \(tensors.padded(to: 11)) "
                    + "\(formatted(bytes: share.byteCount).padded(to: 9)) relative error "
                    + "\(formatted(share.error.relativeRMS * 100, digits: 3)) %")
        }
        if !summary.widened.isEmpty {
            printLine(
                "wider     \(summary.widened.count) tensors have rows that are no multiple of 32 and are stored as "
                    + "f16: \(summary.widened.prefix(3).joined(separator: ", "))\(summary.widened.count > 3 ? ", …" : "")"
            )
        }
        for remark in summary.remarks { printLine("note      \(remark.printableLine)") }
        printLine("time      \(formatted(summary.seconds, digits: 1)) s")
        printLine("written   \(output)")
    }
}
