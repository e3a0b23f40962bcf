// SPDX-License-Identifier: Apache-2.0
// Checks that a required key has signed a file. The small program has no cryptography (swift-crypto needs
// FoundationEssentials): to be safe it then refuses every file.

import Formats
import JSON
import Tiller

/// The result of checking a file's signatures.
package struct SignatureReport {
    package let lines: [String]
    package let json: JSON
    /// Why the file is refused; nil if it is accepted.
    package let refusal: String?

    package init(lines: [String], json: JSON, refusal: String?) {
        self.lines = lines
        self.json = json
        self.refusal = refusal
    }
}

/// Makes a check of a file's signatures.
///
/// - Parameter signer: the key that must have signed the file; nil accepts any or none.
/// - Throws: an error if no such key is known.
package typealias SignatureChecks = (_ signer: String?) throws -> SignatureCheck
package typealias SignatureCheck = (TillerFile) throws -> SignatureReport

/// The check of signatures; nil in a program that cannot check them and need not.
///
/// - Throws: `TillerError.invalidFile` in a program that cannot check them, if a signer is required.
func signatureCheck(_ signatures: SignatureChecks?, requiring signer: String?) throws -> SignatureCheck? {
    if let signer, signatures == nil {
        throw TillerError.invalidFile(
            "a signature by '\(signer)' is required, but this program cannot check it; 'tiller' can")
    }
    return try signatures?(signer)
}
