// SPDX-License-Identifier: Apache-2.0
// Text that comes in from people must be UTF-8: it would otherwise be repaired without a word.

import Platform
import Tiller

/// How many bytes may come in, from files as from pipes: README names these.
package enum TextLimit {
    /// A text: of `--text`, `--calibration`, `--texts`.
    package static let text = 256 << 20
    /// JSON lines or a JSON text: pairs, items, tokens, messages.
    package static let rows = 64 << 20
    /// A prompt, and a line of a conversation.
    package static let prompt = 64 << 20
}

/// The words of the command line, the program's name first.
/// - Throws: `TillerError.invalidOption` for one that is not UTF-8.
package func textArguments() throws(TillerError) -> [String] {
    var words: [String] = []
    for (index, bytes) in OwnExecutable.arguments.enumerated() {
        do { words.append(try text(of: bytes, from: "argument \(index)")) } catch {
            throw .invalidOption("\(error)")
        }
    }
    return words
}

/// Text of bytes that must be UTF-8.
///
/// - Parameter source: what holds the bytes, for the error.
package func text(of bytes: [UInt8], from source: String) throws(TillerError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
        throw .invalidFile(
            "\(source) is not UTF-8 text: byte \(firstInvalidByte(of: bytes)) fits no character")
    }
    return text
}

/// Where the first byte stands that is part of no character.
private func firstInvalidByte(of bytes: [UInt8]) -> Int {
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var offset = 0
    while case .scalarValue(let scalar) = decoder.decode(&iterator) { offset += UTF8.width(scalar) }
    return offset
}
