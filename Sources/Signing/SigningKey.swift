// SPDX-License-Identifier: Apache-2.0
// Signs digests and verifies signatures with Ed25519, by swift-crypto. A signer vouches for sections by their digests.
// The people who keep public keys decide whom to trust, not this code.

import enum Crypto.Curve25519
import Formats
import Platform

/// A secret key with its owner's name.
package struct SigningKey {
    package let name: String
    private let key: Curve25519.Signing.PrivateKey

    /// A new key from the system's random number generator.
    package init(name: String) {
        self.name = name
        key = Curve25519.Signing.PrivateKey()
    }

    /// - Throws: `FormatError` signature.md R6 for bytes that are not a key.
    init(name: String, secret: [UInt8]) throws(FormatError) {
        self.name = name
        do { key = try Curve25519.Signing.PrivateKey(rawRepresentation: secret) } catch {
            throw FormatError(
                .signatureKeyFile, found: "\(secret.count) bytes", expected: "an Ed25519 key of 32")
        }
    }

    var secret: [UInt8] { Array(key.rawRepresentation) }
    /// 32 bytes.
    package var publicKey: [UInt8] { Array(key.publicKey.rawRepresentation) }

    /// Signs the current contents of sections.
    package func sign(_ sections: [SignedSection], scope: Signature.Scope) throws -> Signature {
        try sign(
            Signature(
                signer: name, publicKey: publicKey, scope: scope, date: WallClock.secondsSince1970(),
                sections: sections))
    }

    /// Signs a prepared signature.
    package func sign(_ unsigned: Signature) throws -> Signature {
        unsigned.signed(Array(try key.signature(for: unsigned.message)))
    }
}

extension Signature {
    /// Whether the key signed exactly these sections under this name. A key of small order is not valid, since anybody
    /// can sign for it.
    package var isValid: Bool {
        guard !hasSmallOrder(publicKey),
            let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey)
        else { return false }
        return key.isValidSignature(signature, for: message)
    }

    /// - Throws: `FormatError` signature.md R7 if the signature is not valid.
    package func check() throws(FormatError) {
        guard isValid else {
            throw FormatError(
                .signatureValid, found: "a signature by \"\(signer)\" that does not match",
                expected: "one by the key \(publicKey.hexadecimal)")
        }
    }
}

extension [UInt8] {
    /// Two lowercase digits per byte.
    package var hexadecimal: String {
        let digits = Array<Character>("0123456789abcdef")
        return String(flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    /// The bytes of lowercase hexadecimal digits; nil for other text.
    init?(hexadecimal text: some StringProtocol) {
        let values = text.utf8.map { digit -> UInt8? in
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
            default: nil
            }
        }
        guard values.count % 2 == 0, !values.contains(nil) else { return nil }
        let known = values.compactMap(\.self)
        self = stride(from: 0, to: known.count, by: 2).map { known[$0] << 4 | known[$0 + 1] }
    }
}
