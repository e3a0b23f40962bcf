// SPDX-License-Identifier: Apache-2.0
// Refuses public keys for which anybody can sign. Ed25519's curve has eight points of small order. With one of them as
// the key, the equation S·B = R + h·A holds for signatures that are made without any secret (RFC 8032 §8.8 leaves the
// check to the reader).

/// Whether a public key is a point whose order divides 8, in any of its encodings.
func hasSmallOrder(_ publicKey: [UInt8]) -> Bool {
    guard publicKey.count == 32 else { return false }
    // The highest bit is the sign of x.
    let y = publicKey[..<31] + [publicKey[31] & 0x7F]
    return smallOrderPoints.contains { $0.elementsEqual(y) }
}

/// The y-coordinates of these points, little-endian: 0, 1, those of order 8, −1; and 0 and 1 as p and p + 1, p = 2²⁵⁵ − 19.
private let smallOrderPoints: [[UInt8]] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].compactMap { [UInt8](hexadecimal: $0) }
