// SPDX-License-Identifier: Apache-2.0
// gzip's data, whole and damaged.

import Compression
import TestSupport
import Testing

struct GzipTests {
    /// What `gzip.compress(b"It rained, and they stayed in. " * 3, 9, mtime=0)` gives in Python 3.
    private static let member = bytes(
        """
        1f8b0800000000000203f32c51284acccc4b4dd15148cc4b5128c948ad54282e49ac4c4d51c8ccd3
        53f0a4481a00921d1f7c5d000000
        """)
    private static let content = Array(String(repeating: "It rained, and they stayed in. ", count: 3).utf8)

    private static func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = hexadecimal.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
    }

    private func reason(_ bytes: [UInt8], limit: Int = 1000) -> GzipError.Reason? {
        do {
            _ = try Gzip.content(of: bytes, limit: limit)
            return nil
        } catch { return error.reason }
    }

    @Test func membersFollowEachOther() throws {
        #expect(Gzip.isGzip(Self.member) && !Gzip.isGzip(Self.content) && !Gzip.isGzip([0x1F]))
        #expect(try Gzip.content(of: Self.member, limit: 93) == Self.content)
        #expect(try Gzip.content(of: Self.member + Self.member, limit: 186) == Self.content + Self.content)
    }

    @Test func theLimitHoldsForAllMembersTogether() {
        #expect(reason(Self.member, limit: 92) == .tooLarge)
        #expect(reason(Self.member + Self.member, limit: 185) == .tooLarge)
    }

    @Test(arguments: 2..<member.count) func whatEndsEarlyIsTruncated(count: Int) {
        #expect(reason(Array(Self.member[..<count])) == .truncated)
        #expect(reason(Self.member + Self.member[..<count]) == .truncated)
    }

    @Test func damageIsFound() {
        var generator = SeededGenerator(seed: 5)
        for index in Self.member.indices {
            var bytes = Self.member
            bytes[index] ^= UInt8.random(in: 1...255, using: &generator)
            let content = try? Gzip.content(of: bytes, limit: 1 << 20)
            // Time, system and flags of the header say nothing about the content.
            #expect(content == nil || content == Self.content && (3..<10).contains(index), "byte \(index)")
        }
        #expect(reason(Self.member + [1, 2, 3]) == .damaged)
    }
}
