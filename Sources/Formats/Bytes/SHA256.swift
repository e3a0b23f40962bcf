// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), streaming. It is our own code because swift-crypto would bring Foundation into the small
// runtime. The hash detects corruption and mix-ups; nothing here is secret, so timing does not matter.

/// Computes a SHA-256 digest piece by piece.
package struct SHA256: Sendable {
    private var state: SIMD8<UInt32> = [
        0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab,
        0x5be0_cd19,
    ]
    /// Bytes that do not fill a block yet; the first `pendingCount` are valid.
    private var pending = [UInt8](repeating: 0, count: 64)
    private var pendingCount = 0
    private var byteCount: UInt64 = 0

    package init() {}

    /// The digest of `bytes`.
    package static func digest(of bytes: RawSpan) -> Digest {
        var hash = SHA256()
        hash.update(bytes)
        return hash.finalize()
    }

    package static func digest(of bytes: some Sequence<UInt8>) -> Digest {
        digest(of: Array(bytes).span.bytes)
    }

    package static func digest(of view: ByteView) -> Digest { unsafe digest(of: view.bytes.bytes) }

    package mutating func update(_ view: ByteView) { unsafe update(view.bytes.bytes) }

    /// Adds `bytes` to the message.
    package mutating func update(_ bytes: RawSpan) {
        byteCount &+= UInt64(bytes.byteCount)
        var position = 0
        if pendingCount > 0 {
            let take = min(64 - pendingCount, bytes.byteCount)
            for index in 0..<take { pending[pendingCount + index] = bytes.byte(at: index) }
            pendingCount += take
            position = take
            guard pendingCount == 64 else { return }
            compressPending()
        }
        let blockEnd = position + (bytes.byteCount - position) / 64 * 64
        if position < blockEnd {
            state = compress(bytes.extracting(position..<blockEnd), into: state)
        }
        for index in blockEnd..<bytes.byteCount {
            pending[pendingCount] = bytes.byte(at: index)
            pendingCount += 1
        }
    }

    /// Ends the message and returns its digest.
    package consuming func finalize() -> Digest {
        let bitCount = byteCount &* 8
        pending[pendingCount] = 0x80
        for index in (pendingCount + 1)..<max(pendingCount + 1, 64) { pending[index] = 0 }
        if pendingCount >= 56 {
            compressPending()
            for index in 0..<56 { pending[index] = 0 }
        }
        for index in 0..<8 {
            pending[56 + index] = UInt8(truncatingIfNeeded: bitCount >> UInt64(56 - 8 * index))
        }
        compressPending()
        return Digest(words: state)
    }

    private mutating func compressPending() {
        state = compress(pending.span.bytes, into: state)
        pendingCount = 0
    }
}

extension SHA256 {
    /// 32 bytes.
    package struct Digest: Hashable, Sendable, CustomStringConvertible {
        /// In the order of FIPS 180-4; a word's first byte is its most significant.
        private let words: SIMD8<UInt32>

        fileprivate init(words: SIMD8<UInt32>) { self.words = words }

        /// 32 zero bytes: a placeholder if there is nothing to hash.
        package static let zero = Digest(words: .zero)

        /// The digest stored at `position`.
        /// - Precondition: the view has 32 bytes at `position`.
        package init(_ view: ByteView, at position: Int) {
            var words = SIMD8<UInt32>()
            for index in 0..<8 { words[index] = view.load(UInt32.self, at: position + 4 * index).byteSwapped }
            self.words = words
        }

        /// Reads 64 lowercase hexadecimal digits.
        package init?(hexadecimal text: String) {
            let digits = Array(text.utf8)
            guard digits.count == 64 else { return nil }
            var words = SIMD8<UInt32>()
            for (index, digit) in digits.enumerated() {
                let value: UInt8
                switch digit {
                case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
                case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
                default: return nil
                }
                words[index / 8] = words[index / 8] << 4 | UInt32(value)
            }
            self.words = words
        }

        package var bytes: [UInt8] {
            (0..<32).map { UInt8(truncatingIfNeeded: words[$0 / 4] >> UInt32(24 - 8 * ($0 % 4))) }
        }

        /// 64 lowercase hexadecimal digits.
        package var description: String {
            let digits = Array("0123456789abcdef")
            return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
        }
    }
}

extension RawSpan {
    fileprivate func byte(at index: Int) -> UInt8 { unsafe unsafeLoad(fromByteOffset: index, as: UInt8.self) }
}
