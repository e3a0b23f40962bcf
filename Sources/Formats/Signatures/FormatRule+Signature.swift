// SPDX-License-Identifier: Apache-2.0
// The rules of formats/signature.md, by number.

extension FormatRule {
    private init(signature number: Int, _ title: String) {
        self.init(document: "signature.md", number: number, title: title)
    }

    package static let signatureSize = Self(signature: 1, "size")
    package static let signatureAlgorithm = Self(signature: 2, "algorithm")
    package static let signatureReserved = Self(signature: 3, "reserved bytes")
    package static let signatureName = Self(signature: 4, "signer's name")
    package static let signatureSections = Self(signature: 5, "sections")
    package static let signatureKeyFile = Self(signature: 6, "key file")
    package static let signatureValid = Self(signature: 7, "signature")
    package static let signatureSmallOrder = Self(signature: 8, "small order")
}
