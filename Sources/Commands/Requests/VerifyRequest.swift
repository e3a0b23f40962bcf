// SPDX-License-Identifier: Apache-2.0
// The `verify` command: reads and checks the whole file.

import Formats
import JSON
import Platform
import Steering
import Terminal
import Tiller

/// The options of `verify`.
package struct VerifyRequest: CommandRequest {
    private var file = ""
    private var printsJSON = false
    /// The key that must have signed the file; nil for none.
    private var signer: String?

    package init() {}

    package static let summary = CommandSummary(
        name: "verify", abstract: "Check every byte of a file against its checksums.")

    package static let options: [CommandOption<Self>] = [
        .file(\.file, help: "The model, a .tiller file."),
        .flag("json", "Print one JSON object.", \.printsJSON),
        .value(
            "signed-by", "name",
            "Refuse the file unless this key signed it, NAME.pub in the folder of keys; only 'tiller' can check.",
            \.signer, kind: .word),
    ]

    /// Checks every byte and prints the result; a program that cannot check signatures says so.
    package func run(_ signatures: SignatureChecks?) throws {
        let checkSignatures = try signatureCheck(signatures, requiring: signer)
        let model = try openModelFile(file)
        try Bundle(before: model)?.verifyProgram()
        let bar = ProgressBar(label: "verify", total: model.byteCount, unit: .bytes)
        _ = try model.verify { done, total in
            bar.update(done, total: total)
            return true
        }
        bar.finish()
        // Opening an engine checks what checksums cannot: shapes, token tables, profiles.
        let engine = try Engine(file: model, path: file, options: .init())
        for name in engine.profileNames { _ = try engine.profile(named: name) }
        let signatures = try checkSignatures?(model)
        let refusal = signatures?.refusal
        if printsJSON {
            let object: JSON.Object = [
                "valid": .bool(refusal == nil), "problem": refusal.map { JSON.string($0) } ?? .null,
                "sections": .integer(model.sections.count), "torn_bytes": .integer(model.tornByteCount),
                "signatures": signatures?.json ?? .integer(model.signatures.count),
            ]
            printLine(JSON.object(object).serialized())
        } else {
            let torn = model.tornByteCount
            let note = torn > 0 ? "; \(torn) bytes of an unfinished append at the end are ignored" : ""
            // An undamaged file is not necessarily a signed one.
            let verdict = refusal == nil ? "valid" : "undamaged, but not valid"
            printLine("\(file.printableLine): \(verdict), \(model.sections.count) sections\(note)")
            let count = model.signatures.count
            let unchecked =
                count == 0
                ? ["unsigned"] : ["\(count) signature\(count == 1 ? "" : "s"), which 'tiller verify' checks"]
            for line in signatures?.lines ?? unchecked { printLine("\(file): \(line)".printableLine) }
            if count > 0, model.originByteOffset > 0 {
                printLine(
                    "\(file.printableLine): the program and the settings before the model are not signed")
            }
        }
        if let refusal { throw TillerError.invalidFile("\(file): \(refusal)") }
    }
}
