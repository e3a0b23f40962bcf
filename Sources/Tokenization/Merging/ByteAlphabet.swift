// SPDX-License-Identifier: Apache-2.0
// GPT-2's printable alphabet: a character for each byte, so that byte strings can be written as text.
// Printable Latin-1 stands for itself; the other 68 bytes are U+0100 and up, in order (openai/gpt-2, encoder.py).

enum ByteAlphabet {
    /// The byte that a character of the alphabet represents.
    static func byte(of scalar: Unicode.Scalar) -> UInt8? {
        switch scalar.value {
        case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: UInt8(scalar.value)
        case 0x100...0x120: UInt8(scalar.value - 0x100)  // 00–20
        case 0x121...0x142: UInt8(scalar.value - 0x121 + 0x7F)  // 7F–A0
        case 0x143: 0xAD
        default: nil
        }
    }

    /// The character that represents a byte.
    static func scalar(of byte: UInt8) -> Unicode.Scalar {
        let value: UInt16 =
            switch byte {
            case 0x00...0x20: 0x100 + UInt16(byte)
            case 0x7F...0xA0: 0x121 + UInt16(byte) - 0x7F
            case 0xAD: 0x143
            default: UInt16(byte)
            }
        return Unicode.Scalar(value) ?? "\u{FFFD}"
    }

    /// The bytes that a text in the alphabet represents, or nil if it has another character.
    static func bytes(of text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            guard let byte = byte(of: scalar) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
