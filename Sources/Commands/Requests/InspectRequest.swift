// SPDX-License-Identifier: Apache-2.0
// The `inspect` command: the contents of a file, and the cost of running it.

import Evaluation
import Formats
import JSON
import Quantization
import Steering
import Tiller

/// The options of `inspect`.
package struct InspectRequest: CommandRequest {
    private var file = ""
    /// Context length for the memory prediction, in tokens.
    private var context = 2048
    private var engine = EngineSettings()
    private var listsTensors = false
    private var printsJSON = false

    package init() {}

    package static let summary = CommandSummary(
        name: "inspect", abstract: "Show what a file contains, and the memory that it needs.")

    package static let options: [CommandOption<Self>] = [
        .file(\.file),
        .value("context", "n", "Context length for the prediction of memory.", \.context),
        EngineSettings.resident.within(\.engine),
        .flag("tensors", "Also list every tensor.", \.listsTensors),
        .flag("json", "Print one JSON object.", \.printsJSON),
    ]

    /// Prints the report.
    package func run(_ signatures: SignatureChecks?) throws {
        try require(context, in: 1...1 << 20, option: "--context")
        let model = try openModelFile(file)
        let bundle = try Bundle(before: model)
        let memory = try MemoryPrediction(
            file: model, contextLength: context, wantedCache: nil,
            residentWeights: try residentWeights(engine.resident, of: model))
        if printsJSON {
            var object = report(model, memory)
            if let bundle { object["bundle"] = bundle.report }
            printLine(JSON.object(object).serialized())
        } else {
            if let bundle { printLine("bundle      \(bundle.line)") }
            printReport(model, memory)
        }
    }

    private func report(_ model: TillerFile, _ memory: MemoryPrediction) -> JSON.Object {
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
            "signatures": .array(model.signatures.map { .string($0.signature.signer) }),
            "memory": .object(memory.json),
        ]
        if listsTensors {
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

    private func printReport(_ model: TillerFile, _ memory: MemoryPrediction) {
        let (manifest, configuration) = (model.manifest, model.manifest.configuration)
        printLine("name        \(manifest.name.printableLine)")
        if !manifest.license.isEmpty { printLine("license     \(manifest.license.printableLine)") }
        printLine(
            "model       \(configuration.family), \(configuration.layerCount) layers of width "
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
        // 'verify' names a profile that cannot be read.
        let names = model.profiles.map { stored in
            let standing = (try? stored.decoded())?.standing(in: model) ?? .unproven
            let isDoubtful = standing != .unproven && standing != .demonstrated
            return isDoubtful ? "\(stored.name) (not demonstrated)" : stored.name
        }
        printLine("profiles    \(names.isEmpty ? "none" : names.joined(separator: ", "))")
        let signers = model.signatures.map { "in the name of \($0.signature.signer.printableLine)" }
        printLine(
            "signatures  \(signers.isEmpty ? "none" : signers.joined(separator: ", ") + "; 'tiller verify' checks them")"
        )
        for section in model.sections {
            printLine(
                "section     \(section.kind.name.padded(to: 14)) at \(String(section.byteOffset).padded(to: 11)) "
                    + formatted(bytes: section.byteCount))
        }
        if model.tornByteCount > 0 {
            printLine("torn        \(model.tornByteCount) bytes of an unfinished append are ignored")
        }
        printLine(
            "memory      \(formatted(bytes: memory.total)) at context \(context): file \(formatted(bytes: memory.file)), "
                + "cache \(formatted(bytes: memory.cache)), scratch \(formatted(bytes: memory.scratch)), program "
                + formatted(bytes: memory.program))
        if listsTensors {
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
    /// Bytes of weights per encoding, largest first.
    var byteCountByEncoding: [(TensorEncoding, Int)] {
        var sums: [TensorEncoding: Int] = [:]
        for entry in tensorIndex.entries where entry.encoding != .vector {
            sums[entry.encoding, default: 0] += entry.byteCount
        }
        return sums.sorted { $0.value > $1.value }.map { ($0.key, $0.value) }
    }
}

extension ConversionQuality {
    /// The value on one line.
    package var line: String {
        "KL \(formatted(mean, digits: 4)), 99 % \(formatted(high, digits: 2)); same top "
            + "\(formatted(sameTop * 100, digits: 1)) %; perplexity \(formatted(perplexity, digits: 2)), "
            + "\(formatted(referencePerplexity, digits: 2)) with \(reference.printableLine) weights"
    }
}

extension Bundle {
    /// The value on one line.
    fileprivate var line: String {
        let steering = settings.steering.map { "\($0.name)" + ($0.strength.map { "=\($0)" } ?? "") }
        return "\(formatted(bytes: program.count)) of program"
            + (steering.isEmpty ? "" : "; steered by \(steering.joined(separator: " "))")
            + (settings.system.map { "; system message: \($0.printableLine)" } ?? "")
    }

    fileprivate var report: JSON {
        let steering = settings.steering.map { entry in
            JSON.object([
                "name": .string(entry.name), "strength": entry.strength.map { .number(Double($0)) } ?? .null,
            ])
        }
        return [
            "program_bytes": .integer(program.count), "steering": .array(steering),
            "system": settings.system.map { .string($0) } ?? .null,
        ]
    }
}
