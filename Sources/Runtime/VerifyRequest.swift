// SPDX-License-Identifier: Apache-2.0
// The whole file read and checked.

import Formats
import JSON
import Platform
import Terminal
import Tiller

/// What `verify` is asked for.
package struct VerifyRequest {
    package var file: String
    package var printsJSON = false
    /// Checks the signatures; nil where the program cannot, which it says.
    package var checkSignatures: ((TillerFile) throws -> SignatureReport)?

    package init(file: String) { self.file = file }

    /// Checks every byte and says so.
    ///
    /// - Throws: `TillerError`, `FormatError`, or `Interruption` after an interrupt.
    package func run() throws {
        let model = try openModelFile(file)
        try Bundle(before: model)?.verifyProgram()
        let bar = ProgressBar(label: "verify", total: model.byteCount, unit: .bytes)
        Interrupt.install()
        let isComplete = try model.verify { done, total in
            bar.update(done, total: total)
            return !Interrupt.isRequested
        }
        bar.finish()
        guard isComplete else { throw Interruption() }
        // Opening an engine checks what checksums cannot: shapes, token tables, profiles.
        let engine = try Engine(file: model, path: file, options: .init())
        for name in engine.profileNames { _ = try engine.profile(named: name) }
        let signatures = try checkSignatures?(model)
        if printsJSON {
            let object: JSON.Object = [
                "valid": .bool(signatures?.areValid ?? true), "sections": .integer(model.sections.count),
                "torn_bytes": .integer(model.tornByteCount),
                "signatures": signatures?.json ?? .integer(model.signatures.count),
            ]
            printLine(JSON.object(object).serialized())
        } else {
            let torn = model.tornByteCount
            let note = torn > 0 ? "; \(torn) bytes of an unfinished append at the end are ignored" : ""
            printLine("\(file.printableLine): valid, \(model.sections.count) sections\(note)")
            let count = model.signatures.count
            let unchecked =
                count == 0
                ? ["unsigned"] : ["\(count) signature\(count == 1 ? "" : "s"), which 'tiller verify' checks"]
            for line in signatures?.lines ?? unchecked { printLine("\(file): \(line)".printableLine) }
        }
        if let signatures, !signatures.areValid {
            throw TillerError.invalidFile(
                "\(file): a signature is not valid; the file was changed by somebody else")
        }
    }
}

/// What is said of a file's signatures.
package struct SignatureReport {
    package let lines: [String]
    package let json: JSON
    package let areValid: Bool

    package init(lines: [String], json: JSON, areValid: Bool) {
        self.lines = lines
        self.json = json
        self.areValid = areValid
    }
}
