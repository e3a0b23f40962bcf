// SPDX-License-Identifier: Apache-2.0
// tiller convert: converts a GGUF, a model folder or a .tiller file to one .tiller file.

import ArgumentParser
import Commands
import Conversion
import Evaluation
import Platform
import Quantization
import Terminal
import Tiller

struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Convert a model to a .tiller file.",
        usage: "tiller convert [<options>] <source> [<output>]",
        discussion:
            """
            The source is one of three:
              a GGUF file,
              a model folder as saved by Hugging Face's transformers: config.json,
                tokenizer.json and safetensors files, one or several with an index,
                also quantized by MLX, GPTQ, AWQ, compressed-tensors or as FP8,
              a .tiller file, whose weights get another encoding; its profiles for
                the same source model are kept.

            For integer weights the source first runs over some text: columns are
            rescaled and rounded by how they are used, and the result is compared
            with the source.

            The file appears under its name once it is complete; a file that it
            replaces stays until then.
            """)

    @Argument(help: "The model: a GGUF file, a model folder or a .tiller file.") var source: String

    @Argument(help: "The .tiller file to write; by default in the current folder, named like the source.")
    var output: String?

    @Option(
        help: ArgumentHelp(
            "A LoRA adapter to merge into the source: a folder as saved by PEFT, or a GGUF file of llama.cpp.",
            valueName: "path"))
    var adapter: String?

    @Option(
        help: ArgumentHelp(
            "Weights: int3, int4, int5, int8, f16 or f32; int4 by default.", valueName: "encoding"))
    var weights: String?

    @Option(
        help: ArgumentHelp(
            "Embedding and head, likewise; by default int8 for weights of 3 to 5 bits, else like the weights.",
            valueName: "encoding"))
    var head: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Maximum file size in units of 10^6 bytes: matrices get 3, 4, 5 or 8 bits, spent where they reduce the KL most.",
            valueName: "MB"))
    var size: Double?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Likewise for the weights alone, in bits per weight.", valueName: "bits"))
    var bitsPerWeight: Double?

    @Option(
        help: ArgumentHelp(
            "Calibration text (UTF-8), or 'none' for a quick conversion that neither calibrates nor measures; a "
                + "built-in text by default.",
            valueName: "path|none"))
    var calibration: String?

    @Flag(
        help:
            "Keep the calibration statistics in the file (0.2 MB for 135 M weights) for later conversions of it."
    )
    var keepStatistics = false

    @Option(
        help: ArgumentHelp(
            "normal, or high: GPTQ, which lets weights of 3 to 5 bits compensate for each other's errors; takes minutes "
                + "and needs OpenBLAS.",
            valueName: "effort"))
    var effort = "normal"

    @Flag(help: "Overwrite the output.") var force = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Threads; by default the physical cores allowed to the process.", valueName: "n")
    )
    var threads: Int?

    /// The file to write: of `a/b.gguf` and of the folder `a/b`, `b.tiller`.
    private var outputPath: String { output ?? modelName(ofSource: source) + ".tiller" }

    func run() throws {
        let budget = try budget()
        let body = try encoding(weights ?? "int4", option: "--weights")
        let headEncoding =
            try head.map { try encoding($0, option: "--head") } ?? (body.affineBitCount == nil ? body : .int8)
        try require(threads ?? 1, in: 1...256, option: "--threads")
        try requireOutput(
            outputPath, force: force, apartFrom: InputFile("the source", source),
            InputFile("the adapter", adapter),
            InputFile("the text of --calibration", calibration == "none" ? nil : calibration))
        let encodings = EncodingChoice(weights: body, head: headEncoding)
        let isRounded = [body, headEncoding].contains(where: \.isInteger)
        if budget != nil, calibration == "none" {
            throw TillerError.invalidOption("--size and --bits-per-weight need a calibration")
        }
        if calibration != nil, calibration != "none", !isRounded {
            throw TillerError.invalidOption(
                "--calibration is for integer weights, not for \(body.name)")
        }
        guard let effort = Calibration.Effort(rawValue: effort) else {
            throw TillerError.invalidOption("--effort is '\(effort)', expected normal or high")
        }
        if effort == .high,
            calibration == "none"
                || budget == nil && ![body, headEncoding].contains(where: { $0.affineBitCount != nil })
        {
            throw TillerError.invalidOption("--effort high is for calibrated weights of 3 to 5 bits")
        }
        var converter = Converter(
            encodings: encodings, replacesExisting: force, threadCount: threads ?? Processor.ownCoreCount,
            program: "tiller \(tillerVersion)")
        converter.keepsStatistics = keepStatistics
        converter.adapter = adapter
        if calibration != "none", isRounded {
            converter.calibration = Calibration(
                try calibration.map { .text(try readText(path: $0)) }, budget: budget, effort: effort)
        }
        report(try convert(by: converter))
    }

    private func convert(by converter: Converter) throws -> ConversionSummary {
        let bar = ProgressBar(label: "convert", total: 1, unit: .bytes)
        var whole = PhasedProgress(converter.expectedPhases)
        let hasPhases = converter.calibration != nil
        var byteCount = 0
        let summary = try converter.convert(source, to: outputPath) { phase, done, total in
            if phase == .convert { byteCount = total }
            whole.update(phase, done: done, total: total)
            if hasPhases {
                bar.update(
                    ProgressLine.Phase(
                        phase.rawValue, done: done, total: total, unit: phase.countsBytes ? .bytes : .items,
                        overall: whole.fraction))
            } else {
                bar.update(done, total: total)
            }
            return true
        }
        bar.finish(total: byteCount)
        return summary
    }

    private func budget() throws -> Budget? {
        guard size != nil || bitsPerWeight != nil else { return nil }
        for (option, isGiven) in [
            ("--weights", weights != nil), ("--head", head != nil),
            ("--bits-per-weight", size != nil && bitsPerWeight != nil),
        ] where isGiven {
            throw TillerError.invalidOption(
                "\(option) and \(size != nil ? "--size" : "--bits-per-weight") cannot be combined")
        }
        if let size {
            guard size > 0, size < 1e9 else {
                throw TillerError.invalidOption("--size is \(size), expected a number of MB above 0")
            }
            return .fileByteCount(Int(size * 1e6))
        }
        let bits = bitsPerWeight ?? 0
        guard bits > 0, bits < 64 else {
            throw TillerError.invalidOption("--bits-per-weight is \(bits), expected 4 to 9")
        }
        return .bitsPerWeight(bits)
    }

    private func encoding(_ name: String, option: String) throws -> TensorEncoding {
        guard let encoding = TensorEncoding(name: name) else {
            throw TillerError.invalidOption(
                "\(option) is '\(name)', expected int3, int4, int5, int8, f16 or f32")
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
                "wider     \(summary.widened.count) tensors have rows that are not a multiple of 32 and are stored as "
                    + "f16: \(summary.widened.prefix(3).joined(separator: ", ").printableLine)\(summary.widened.count > 3 ? ", …" : "")"
            )
        }
        if let quality = summary.quality.flatMap(ConversionQuality.init) {
            printLine("quality   \(quality.line)")
            if quality.isAlarming {
                printLine(
                    "WARNING   quantization has lost much of the model: use int8, an int8 head, or another source"
                )
            }
        }
        for remark in summary.remarks { printLine("note      \(remark.printableLine)") }
        printLine("time      \(formatted(summary.seconds, digits: 1)) s")
        printLine("written   \(outputPath.printableLine)")
    }
}
