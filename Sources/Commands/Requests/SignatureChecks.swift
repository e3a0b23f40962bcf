// SPDX-License-Identifier: Apache-2.0
// A file that may count only when a certain key has signed it. The small program has no cryptography (swift-crypto needs
// FoundationEssentials): it refuses every file then, which is the safe side.

import Formats
import JSON
import Tiller

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

/// Makes what checks the signatures of a file.
///
/// - Parameter signer: the key that must have signed it; nil for any or none.
/// - Throws: where no such key is known.
package typealias SignatureChecks = (_ signer: String?) throws -> SignatureCheck
package typealias SignatureCheck = (TillerFile) throws -> SignatureReport

/// What checks signatures; nil where a program cannot and need not.
///
/// - Throws: `TillerError.invalidFile` in a program that cannot check them, where a signer is required.
func signatureCheck(_ signatures: SignatureChecks?, requiring signer: String?) throws -> SignatureCheck? {
    if let signer, signatures == nil {
        throw TillerError.invalidFile(
            "a signature by '\(signer)' is required, and this program checks none; 'tiller' does")
    }
    return try signatures?(signer)
}
