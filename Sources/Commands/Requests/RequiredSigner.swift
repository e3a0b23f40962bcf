// SPDX-License-Identifier: Apache-2.0
// A file that counts only when a certain key has signed it. The small program has no cryptography (swift-crypto needs
// FoundationEssentials): it refuses every file then, which is the safe side.

import Formats
import Tiller

/// Who must have signed a file.
package struct RequiredSigner {
    /// The name of the key.
    package let name: String
    private let refusal: ((TillerFile) throws -> String?)?

    /// - Parameter refusal: why a file does not pass, nil where it does; nil where the program cannot tell.
    package init(name: String, refusal: ((TillerFile) throws -> String?)? = nil) {
        self.name = name
        self.refusal = refusal
    }

    /// Lets a file pass whose every byte is what the key signed, profiles that were added since apart.
    /// - Throws: `TillerError.invalidFile`, `FormatError`, or `Interruption`.
    package func check(_ file: TillerFile, path: String) throws {
        try requireProgram()
        guard let reason = try refusal?(file) else { return }
        throw TillerError.invalidFile("\(path): \(reason)")
    }

    /// - Throws: `TillerError.invalidFile` in a program that cannot check signatures.
    package func requireProgram() throws(TillerError) {
        guard refusal == nil else { return }
        throw .invalidFile(
            "a signature by '\(name)' is required, and this program checks none; 'tiller' does")
    }
}
