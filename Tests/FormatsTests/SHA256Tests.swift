// SPDX-License-Identifier: Apache-2.0
// SHA-256 against the examples of FIPS 180-4 and NIST's CAVP, and streaming against one call.

import Platform
import TestSupport
import Testing

import Formats

struct SHA256Tests {
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
        ),
    ])
    func digestsOfTheStandardsMessages(message: String, expected: String) {
        #expect(SHA256.digest(of: message.utf8).description == expected)
    }

    @Test func digestOfAMillionLettersInOddPieces() {
        let letters = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        var hash = SHA256()
        var position = 0
        var size = 1
        while position < letters.count {
            let end = min(position + size, letters.count)
            hash.update(letters.span.bytes.extracting(position..<end))
            position = end
            size = size * 3 % 1009
        }
        #expect(
            hash.finalize().description == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func theProcessorsRoundsAreThoseOfTheStandard() {
        var generator = SeededGenerator(seed: 6)
        for count in [1, 2, 7] {
            let blocks = (0..<64 * count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let state = SIMD8<UInt32>.random(in: 0...UInt32.max, using: &generator)
            let constants = SHA256.roundConstants
            guard let fast = HashBlocks.compress(blocks.span.bytes, into: state, constants: constants) else {
                print("skipped: this processor has no SHA-256 instructions")
                return
            }
            #expect(fast == compressPlainly(blocks.span.bytes, into: state))
        }
    }

    @Test func everyLengthAndSplitAroundABlockAgrees() {
        var generator = SeededGenerator(seed: 5)
        let bytes = (0..<200).map { _ in UInt8.random(in: 0...255, using: &generator) }
        for count in 0...200 {
            let whole = SHA256.digest(of: bytes[..<count])
            for split in [0, count / 3, count / 2, count] {
                var hash = SHA256()
                hash.update(bytes.span.bytes.extracting(0..<split))
                hash.update(bytes.span.bytes.extracting(split..<count))
                #expect(hash.finalize() == whole)
            }
        }
    }

    @Test func digestsAreReadAndWrittenAsHexadecimal() {
        let digest = SHA256.digest(of: "abc".utf8)
        #expect(SHA256.Digest(hexadecimal: digest.description) == digest)
        #expect(SHA256.Digest(ByteView(copying: digest.bytes), at: 0) == digest)
        #expect(SHA256.Digest(hexadecimal: "ABC") == nil)
        #expect(SHA256.Digest(hexadecimal: String(repeating: "G", count: 64)) == nil)
    }

    @Test func hashesFastEnoughForEveryStart() {
        let bytes = [UInt8](repeating: 7, count: 32 << 20)
        let clock = ContinuousClock()
        let seconds = clock.measure { _ = SHA256.digest(of: bytes.span.bytes) } / .seconds(1)
        print("SHA-256: \(Int(Double(bytes.count) / seconds / 1e6)) MB/s")
        // A shared machine is no place for a tight bound: this only catches a build gone wrong.
        #expect(seconds < 2)
    }
}
