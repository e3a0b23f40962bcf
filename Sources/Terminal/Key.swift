// SPDX-License-Identifier: Apache-2.0
// Decodes the bytes that a terminal sends into key presses (ECMA-48, xterm's control sequences).

/// One key, or one paste.
package enum Key: Equatable, Sendable {
    case text(Unicode.Scalar)
    /// Text from the clipboard, line breaks included.
    case paste(String)
    case enter, tab, backspace, deleteForward
    case left, right, up, down, home, end, wordLeft, wordRight
    case killToEnd, killToStart, killWord, killWordForward, transpose, clearScreen
    /// Ctrl-C, Ctrl-D and Ctrl-Z.
    case interrupt, endOfInput, suspend
}

/// Turns bytes into keys, one byte at a time; unknown sequences are discarded whole.
package struct KeyParser: Sendable {
    private enum State {
        case ground
        case character(scalar: UInt32, missing: Int, least: UInt32)
        case escape
        /// After ESC [ or ESC O.
        case sequence([UInt8])
        case paste([UInt8])
    }

    private var state = State.ground
    private static let endOfPaste = Array("\u{1B}[201~".utf8)
    /// Keyboards do not send longer sequences.
    private static let longestSequence = 32

    package init() {}

    /// Whether an ESC was read that may be a key by itself; `cancel` ends the wait for a sequence.
    package var isAfterEscape: Bool {
        if case .escape = state { true } else { false }
    }

    /// Discards an unfinished sequence.
    package mutating func cancel() { state = .ground }

    /// The key that `byte` completes, if any.
    package mutating func feed(_ byte: UInt8) -> Key? {
        switch state {
        case .ground: return ground(byte)
        case .character(let scalar, let missing, let least):
            return character(byte, scalar: scalar, missing: missing, least: least)
        case .escape:
            state = .ground
            return afterEscape(byte)
        case .sequence(var bytes):
            bytes.append(byte)
            state = bytes.count < Self.longestSequence ? .sequence(bytes) : .ground
            guard (0x40...0x7E).contains(byte) else { return nil }
            state = .ground
            return sequence(bytes)
        case .paste(var bytes):
            // Clear the state first, so that appending does not copy.
            state = .ground
            bytes.append(byte)
            if byte == UInt8(ascii: "~"), bytes.suffix(Self.endOfPaste.count).elementsEqual(Self.endOfPaste) {
                return .paste(String(decoding: bytes.dropLast(Self.endOfPaste.count), as: UTF8.self))
            }
            state = .paste(bytes)
            return nil
        }
    }

    private mutating func ground(_ byte: UInt8) -> Key? {
        switch byte {
        case 0x1B:
            state = .escape
            return nil
        case 0..<0x20, 0x7F: return Self.control(byte)
        case 0x20..<0x7F: return .text(Unicode.Scalar(byte))
        case 0xC2..<0xE0: state = .character(scalar: UInt32(byte & 0x1F), missing: 1, least: 0x80)
        case 0xE0..<0xF0: state = .character(scalar: UInt32(byte & 0x0F), missing: 2, least: 0x800)
        case 0xF0..<0xF5: state = .character(scalar: UInt32(byte & 0x07), missing: 3, least: 0x10000)
        default: return .text("\u{FFFD}")
        }
        return nil
    }

    private mutating func character(_ byte: UInt8, scalar: UInt32, missing: Int, least: UInt32) -> Key? {
        state = .ground
        // Invalid UTF-8: the byte begins something else.
        guard byte & 0xC0 == 0x80 else { return ground(byte) }
        let scalar = scalar << 6 | UInt32(byte & 0x3F)
        guard missing == 1 else {
            state = .character(scalar: scalar, missing: missing - 1, least: least)
            return nil
        }
        return .text(scalar < least ? "\u{FFFD}" : Unicode.Scalar(scalar) ?? "\u{FFFD}")
    }

    /// Emacs key bindings, as in shells.
    private static func control(_ byte: UInt8) -> Key? {
        switch byte {
        case 0x0A, 0x0D: .enter
        case 0x09: .tab
        case 0x08, 0x7F: .backspace
        case 0x01: .home
        case 0x02: .left
        case 0x03: .interrupt
        case 0x04: .endOfInput
        case 0x05: .end
        case 0x06: .right
        case 0x0B: .killToEnd
        case 0x0C: .clearScreen
        case 0x0E: .down
        case 0x10: .up
        case 0x14: .transpose
        case 0x15: .killToStart
        case 0x17: .killWord
        case 0x1A: .suspend
        default: nil
        }
    }

    private mutating func afterEscape(_ byte: UInt8) -> Key? {
        switch byte {
        case UInt8(ascii: "["), UInt8(ascii: "O"):
            state = .sequence([])
            return nil
        case 0x1B:
            state = .escape
            return nil
        case UInt8(ascii: "b"), UInt8(ascii: "B"): return .wordLeft
        case UInt8(ascii: "f"), UInt8(ascii: "F"): return .wordRight
        case UInt8(ascii: "d"), UInt8(ascii: "D"): return .killWordForward
        case 0x08, 0x7F: return .killWord
        default: return nil
        }
    }

    private mutating func sequence(_ bytes: [UInt8]) -> Key? {
        let text = String(decoding: bytes, as: UTF8.self)
        let parameters = text.dropLast().split(separator: ";")
        // A second parameter encodes the modifiers: with Alt or Ctrl, arrows move by words.
        let goesByWords = parameters.count > 1 && parameters[1] != "2"
        switch text.last {
        case "A": return .up
        case "B": return .down
        case "C": return goesByWords ? .wordRight : .right
        case "D": return goesByWords ? .wordLeft : .left
        case "H": return .home
        case "F": return .end
        case "M" where text == "M": return .enter
        case "~": break
        default: return nil
        }
        switch parameters.first {
        case "1", "7": return .home
        case "4", "8": return .end
        case "3": return .deleteForward
        case "200":
            state = .paste([])
            return nil
        default: return nil
        }
    }
}
