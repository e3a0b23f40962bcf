// SPDX-License-Identifier: Apache-2.0
// Text input must be UTF-8; otherwise it would be repaired silently.

import Platform
import Tiller

/// Limits of input in bytes, from files and from pipes; README lists them.
package enum TextLimit {
    /// A text for `--text`, `--calibration`, `--texts`.
    package static let text = 256 << 20
    /// JSON lines or a JSON text: pairs, items, tokens, messages.
    package static let rows = 64 << 20
    /// A prompt, and a line of a conversation.
    package static let prompt = 64 << 20
}

/// The words of the command line, starting with the program's name.
/// - Throws: `TillerError.invalidOption` for a word that is not UTF-8.
package func textArguments() throws(TillerError) -> [String] {
    var words: [String] = []
    for (index, bytes) in OwnExecutable.arguments.enumerated() {
        do { words.append(try text(of: bytes, from: "argument \(index)")) } catch {
            throw .invalidOption("\(error)")
        }
    }
    return words
}

/// The text in bytes that must be UTF-8.
///
/// - Parameter source: the origin of the bytes, for the error.
package func text(of bytes: [UInt8], from source: String) throws(TillerError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
        throw .invalidFile(
            "\(source) is not UTF-8 text: byte \(firstInvalidByte(of: bytes)) is invalid")
    }
    return text
}

/// The offset of the first byte that is part of no character.
private func firstInvalidByte(of bytes: [UInt8]) -> Int {
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var offset = 0
    while case .scalarValue(let scalar) = decoder.decode(&iterator) { offset += UTF8.width(scalar) }
    return offset
}
