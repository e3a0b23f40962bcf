// SPDX-License-Identifier: Apache-2.0
// The whole file read and checked.

import Formats
import JSON
import Platform
import Steering
import Terminal
import Tiller

/// What `verify` is asked for.
package struct VerifyRequest {
    package var file: String
    package var printsJSON = false
    /// Checks the signatures; nil where the program cannot, which it says.
    package var checkSignatures: ((TillerFile) throws -> SignatureReport)?
    /// The key that must have signed the file, where one must.
    package var signer: RequiredSigner?

    package init(file: String) { self.file = file }

    /// Checks every byte and says so.
    ///
    /// - Throws: `TillerError` or `FormatError`.
    package func run() throws {
        try signer?.requireProgram()
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
            // Undamaged is not yet what somebody signed.
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

/// What is said of a file's signatures.
package struct SignatureReport {
    package let lines: [String]
    package let json: JSON
    /// Why the file must not pass; nil where it may.
    package let refusal: String?

    package init(lines: [String], json: JSON, refusal: String?) {
        self.lines = lines
        self.json = json
        self.refusal = refusal
    }
}
