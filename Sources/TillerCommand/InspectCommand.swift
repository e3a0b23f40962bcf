// SPDX-License-Identifier: Apache-2.0
// tiller inspect: what a file holds, and what running it will cost.

import ArgumentParser
import Calibration
import Conversion
import Formats
import JSON
import Kernels
import Quantization
import Tiller

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show what is in a file, and the memory it will need.")

    @Argument(help: "The model, a .tiller file.")
    var file: String

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Tokens of context for the prediction of memory.", valueName: "n"))
    var context = 2048

    @Flag(help: "Also list every tensor.")
    var tensors = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard (1...1 << 20).contains(context) else {
            throw ValidationError("--context is \(context), expected 1...\(1 << 20)")
        }
    }

    func run() throws {
        let model = try openModelFile(file)
        if json {
            printLine(JSON.object(report(model)).serialized())
        } else {
            printReport(model)
        }
    }

    private func memory(_ model: TillerFile) -> MemoryPrediction {
        MemoryPrediction(file: model, contextLength: context)
    }

    private func report(_ model: TillerFile) -> JSON.Object {
        let manifest = model.manifest
        var object: JSON.Object = [
            "manifest": manifest.json, "file_bytes": .integer(model.byteCount),
            "torn_bytes": .integer(model.tornByteCount),
            "sections": .array(
                model.sections.map {
                    [
                        "kind": .string($0.kind.name), "offset": .integer($0.byteOffset),
                        "bytes": .integer($0.byteCount), "sha256": .string($0.digest.description),
                    ]
                }),
            "profiles": .array(model.profiles.map { .string($0.name) }),
            "memory": .object(memory(model).json),
        ]
        if tensors {
            object["tensors"] = .array(
                model.tensorIndex.entries.map {
                    [
                        "role": .string("\($0.role)"), "layer": $0.layer.map { .integer($0) } ?? .null,
                        "encoding": .string($0.encoding.name), "rows": .integer($0.rows),
                        "columns": .integer($0.columns), "bytes": .integer($0.byteCount),
                    ]
                })
        }
        return object
    }

    private func printReport(_ model: TillerFile) {
        let (manifest, configuration) = (model.manifest, model.manifest.configuration)
        printLine("name        \(manifest.name.printableLine)")
        if !manifest.license.isEmpty { printLine("license     \(manifest.license.printableLine)") }
        printLine(
            "model       \(configuration.family.rawValue), \(configuration.layerCount) layers of width "
                + "\(configuration.hiddenSize), \(configuration.headCount)/\(configuration.keyValueHeadCount) heads of "
                + "\(configuration.headSize), vocabulary \(configuration.vocabularySize), context "
                + "\(configuration.contextLength)")
        printLine(
            "source      \(manifest.source.fileName.printableLine), \(formatted(bytes: manifest.source.byteCount))"
        )
        printLine("            sha256 \(manifest.source.sha256)")
        printLine("converted   \(manifest.created.printableLine) by \(manifest.converter.printableLine)")
        if let quality = ConversionQuality(manifest.quality) { printLine("quality     \(quality.line)") }
        for (encoding, bytes) in model.byteCountByEncoding {
            printLine("weights     \(encoding.name.padded(to: 6)) \(formatted(bytes: bytes))")
        }
        printLine("template    \(model.chatTemplate == nil ? "none" : "yes")")
        // A profile that cannot be read is named by 'verify'.
        let names = model.profiles.map { stored in
            let standing = (try? stored.decoded())?.standing(in: model) ?? .unproven
            let isDoubtful = standing != .unproven && standing != .demonstrated
            return isDoubtful ? "\(stored.name) (not demonstrated)" : stored.name
        }
        printLine("profiles    \(names.isEmpty ? "none" : names.joined(separator: ", "))")
        for section in model.sections {
            printLine(
                "section     \(section.kind.name.padded(to: 14)) at \(String(section.byteOffset).padded(to: 11)) "
                    + formatted(bytes: section.byteCount))
        }
        if model.tornByteCount > 0 {
            printLine("torn        \(model.tornByteCount) bytes of an unfinished append are ignored")
        }
        let memory = memory(model)
        printLine(
            "memory      \(formatted(bytes: memory.total)) at context \(context): file \(formatted(bytes: memory.file)), "
                + "cache \(formatted(bytes: memory.cache)), scratch \(formatted(bytes: memory.scratch)), program "
                + formatted(bytes: memory.program))
        if tensors {
            for entry in model.tensorIndex.entries {
                let layer = entry.layer.map { "\($0)" } ?? ""
                printLine(
                    "tensor      \("\(entry.role)".padded(to: 20)) \(layer.padded(to: 4)) \(entry.encoding.name.padded(to: 6)) "
                        + "\(entry.rows) × \(entry.columns)")
            }
        }
    }
}

extension TillerFile {
    /// Bytes of weights by encoding, widest share first.
    var byteCountByEncoding: [(TensorEncoding, Int)] {
        var sums: [TensorEncoding: Int] = [:]
        for entry in tensorIndex.entries where entry.encoding != .vector {
            sums[entry.encoding, default: 0] += entry.byteCount
        }
        return sums.sorted { $0.value > $1.value }.map { ($0.key, $0.value) }
    }
}
