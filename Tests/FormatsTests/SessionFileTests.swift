// SPDX-License-Identifier: Apache-2.0
// Session files: what was written comes back, and every broken rule is found before anything is used.

import Formats
import JSON
import TestSupport
import Testing

struct SessionFileTests {
    private let folder = TemporaryFolder()
    private let binding = SessionBinding(
        model: SHA256.digest(of: "model".utf8), steering: SHA256.digest(of: "steering".utf8),
        computation: "portable 1", cacheEncoding: 2, layerCount: 2, keyValueHeadCount: 1, headSize: 32)
    private let conversation: JSON = ["messages": [["role": "user", "content": "Hello"]]]

    private func write() throws -> [UInt8] {
        let path = "\(folder.path)/s.session"
        let state = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
        try SessionFile.write(
            binding, conversation: conversation, tokens: [1, 2, 300], isPromptToken: [true, true, false],
            gates: [[0.5, -1, 2]], stateByteCount: state.count, to: path
        ) { write in try state.withUnsafeBytes { try write($0) } }
        return folder.read(path)
    }

    /// The bytes with a change, sealed again.
    private func resealed(_ bytes: [UInt8], _ change: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes = bytes
        change(&bytes)
        bytes.replaceSubrange(224..<256, with: SHA256.digest(of: bytes[..<224] + bytes[256...]).bytes)
        return bytes
    }

    private func rule(of bytes: [UInt8]) -> FormatRule? {
        do {
            _ = try SessionFile(ByteView(copying: bytes))
            return nil
        } catch { return error.rule }
    }

    @Test func whatIsWrittenComesBack() throws {
        let file = try SessionFile(ByteView(copying: write()))
        #expect(file.binding == binding && file.conversation == conversation)
        #expect(file.tokens == [1, 2, 300] && file.isPromptToken == [true, true, false])
        #expect(file.gates == [[0.5, -1, 2]] && file.state.count == 1000 && file.state[999] == 231)
    }

    @Test func everyRuleIsKept() throws {
        let bytes = try write()
        let tokens = 256 + 64, phases = tokens + 64, gates = phases + 64
        #expect(rule(of: resealed(bytes) { $0[0] = 0 }) == .sessionMagic)
        // Version 1's numbers mean something else; a later version's are unknown.
        for version: UInt8 in [1, 3] {
            #expect(rule(of: resealed(bytes) { $0[8] = version }) == .sessionVersion)
        }
        for (offset, value) in [(28, 0), (30, 255), (31, 255), (32, 65), (39, 255), (40, 1)] {
            #expect(rule(of: resealed(bytes) { $0[offset] = UInt8(value) }) == .sessionSize, "\(offset)")
        }
        #expect(rule(of: Array(bytes.dropLast())) == .sessionSize)
        #expect(rule(of: bytes + [0]) == .sessionSize)
        #expect(rule(of: Array(bytes.prefix(100))) == .sessionSize)
        var damaged = bytes
        damaged[gates + 200] ^= 1
        #expect(rule(of: damaged) == .sessionDigest)
        #expect(rule(of: resealed(bytes) { $0[200] = 1 }) == .sessionPadding)
        #expect(rule(of: resealed(bytes) { $0[phases + 3] = 1 }) == .sessionPadding)
        #expect(rule(of: resealed(bytes) { $0[256] = UInt8(ascii: "[") }) == .sessionText)
        #expect(rule(of: resealed(bytes) { $0[112] = 0xFF }) == .sessionText)
        #expect(rule(of: resealed(bytes) { $0[tokens + 3] = 0x80 }) == .sessionToken)
        #expect(rule(of: resealed(bytes) { $0[phases] = 2 }) == .sessionToken)
        #expect(
            rule(of: resealed(bytes) { $0.replaceSubrange(gates..<(gates + 4), with: [0, 0, 0x80, 0x7F]) })
                == .sessionNumbers)
    }

    @Test func everyFlippedByteIsRefused() throws {
        let bytes = try write()
        for index in bytes.indices {
            var flipped = bytes
            flipped[index] ^= 0x55
            #expect(rule(of: flipped) != nil, "byte \(index)")
        }
    }

    @Test func sealedMutationsNeverCrash() throws {
        let bytes = try write()
        var random = SeededGenerator(seed: 12)
        for _ in 0..<mutationCount {
            let mutated = resealed(bytes) {
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    $0[Int.random(in: 0..<$0.count, using: &random)] = UInt8.random(
                        in: 0...255, using: &random)
                }
            }
            _ = rule(of: mutated)
        }
    }
}
