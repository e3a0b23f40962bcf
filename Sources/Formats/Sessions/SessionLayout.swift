// SPDX-License-Identifier: Apache-2.0
// The header of a session file, and the positions that follow from it (formats/session.md §2).

import JSON

/// The sizes in a header, checked against each other and the file.
struct SessionLayout {
    /// Version 1 stored keys with their large biases, and clipped values beyond binary16.
    static let majorVersion: UInt16 = 2
    static let headerByteCount = 256
    static let maximumTokenCount = 1 << 20
    static let maximumTextByteCount = 16 << 20
    static let maximumGateCount = 64
    /// "\x89TILSES\n".
    static let magic: [UInt8] = [0x89] + Array("TILSES\n".utf8)

    /// A copy, because another program may overwrite a mapped file.
    private let header: ByteView
    let tokenCount: Int
    let gateCount: Int
    private let textByteCount: Int

    /// The parts after the header.
    struct Parts {
        let text, tokens, phases, gates, state: ByteView
    }

    /// - Throws: `FormatError` session.md R2, R3.
    init(_ file: ByteView) throws(FormatError) {
        guard let header = file.slice(0, count: Self.headerByteCount)?.copied() else {
            throw Self.sizeError("\(file.count) bytes", at: 0)
        }
        self.header = header
        let major = header.load(UInt16.self, at: 8)
        guard major == Self.majorVersion else {
            throw FormatError(
                .sessionVersion, found: "version \(major)",
                expected: "\(Self.majorVersion); another Tiller wrote this file",
                byteOffset: 8)
        }
        tokenCount = Int(header.load(UInt32.self, at: 28))
        gateCount = Int(header.load(UInt32.self, at: 32))
        textByteCount = Int(header.load(UInt32.self, at: 36))
        guard header.load(UInt64.self, at: 40) == UInt64(file.count) else {
            throw Self.sizeError(
                "a length of \(header.load(UInt64.self, at: 40)) in \(file.count) bytes", at: 40)
        }
        guard (1...Self.maximumTokenCount).contains(tokenCount), gateCount <= Self.maximumGateCount,
            textByteCount <= Self.maximumTextByteCount
        else {
            throw Self.sizeError(
                "\(tokenCount) tokens, \(gateCount) gates, \(textByteCount) bytes of text", at: 28)
        }
    }

    private static func sizeError(_ found: String, at byteOffset: Int) -> FormatError {
        FormatError(
            .sessionSize, found: found, expected: "sizes within the limits that fill the file",
            byteOffset: byteOffset)
    }

    /// The parts of a file whose digest equals that of the header; all parts except keys and values are copies.
    ///
    /// - Throws: `FormatError` session.md R3–R5.
    func parts(_ file: ByteView) throws(FormatError) -> Parts {
        var ranges: [Range<Int>] = []
        var position = Self.headerByteCount
        // Within the limits the sums cannot overflow.
        for byteCount in [textByteCount, 4 * tokenCount, tokenCount, 4 * tokenCount * gateCount] {
            let start = position
            position = (start + byteCount).roundedUp(to: 64)
            guard position <= file.count else {
                // If the sizes differ from the written ones, the digest reports that error.
                if let rest = file.slice(Self.headerByteCount, count: file.count - Self.headerByteCount) {
                    try checkDigest([rest])
                }
                throw Self.sizeError("\(file.count) bytes, which end before \(position)", at: 28)
            }
            ranges.append(start..<start + byteCount)
        }
        guard
            let tables = file.slice(Self.headerByteCount, count: position - Self.headerByteCount)?.copied(),
            let state = file.slice(position, count: file.count - position)
        else { throw Self.sizeError("\(file.count) bytes", at: 28) }
        try checkDigest([tables, state])
        var views: [ByteView] = []
        for (range, end) in zip(ranges, ranges.dropFirst().map(\.lowerBound) + [position]) {
            let start = range.lowerBound - Self.headerByteCount
            guard let view = tables.slice(start, count: range.count) else {
                preconditionFailure("SessionLayout: the tables end at \(position)")
            }
            for padding in range.upperBound..<end where tables[padding - Self.headerByteCount] != 0 {
                throw FormatError(
                    .sessionPadding, found: "byte \(tables[padding - Self.headerByteCount])", expected: "0",
                    byteOffset: padding)
            }
            views.append(view)
        }
        return Parts(text: views[0], tokens: views[1], phases: views[2], gates: views[3], state: state)
    }

    private func checkDigest(_ parts: [ByteView]) throws(FormatError) {
        var hash = SHA256()
        if let fields = header.slice(0, count: 224) { hash.update(fields) }
        for part in parts { hash.update(part) }
        guard hash.finalize() == SHA256.Digest(header, at: 224) else {
            throw FormatError(
                .sessionDigest, found: "changed bytes",
                expected: "the header's digest; remove the file to start again", byteOffset: 224)
        }
    }

    /// - Throws: `FormatError` session.md R5, R6.
    func binding() throws(FormatError) -> SessionBinding {
        for position in 176..<224 where header[position] != 0 {
            throw FormatError(
                .sessionPadding, found: "byte \(header[position])", expected: "0", byteOffset: position)
        }
        guard let field = header.slice(112, count: 64), let text = field.text else {
            throw FormatError(
                .sessionText, found: "bytes that are not UTF-8", expected: "name and version of the program",
                byteOffset: 112)
        }
        return SessionBinding(
            model: SHA256.Digest(header, at: 48), steering: SHA256.Digest(header, at: 80),
            computation: String(text.prefix { $0 != "\0" }), cacheEncoding: header.load(UInt32.self, at: 12),
            layerCount: Int(header.load(UInt32.self, at: 16)),
            keyValueHeadCount: Int(header.load(UInt32.self, at: 20)),
            headSize: Int(header.load(UInt32.self, at: 24)))
    }

    /// The header without its digest.
    static func header(
        _ binding: SessionBinding, textByteCount: Int, tokenCount: Int, gateCount: Int, fileByteCount: Int
    ) -> [UInt8] {
        var bytes = magic
        bytes.append(littleEndian: majorVersion)
        bytes.append(littleEndian: UInt16(0))
        bytes.append(littleEndian: binding.cacheEncoding)
        for number in [
            binding.layerCount, binding.keyValueHeadCount, binding.headSize, tokenCount, gateCount,
            textByteCount,
        ] { bytes.append(littleEndian: UInt32(clamping: number)) }
        bytes.append(littleEndian: UInt64(fileByteCount))
        bytes += binding.model.bytes + binding.steering.bytes
        let text = Array(binding.computation.utf8.prefix(64))
        bytes += text + [UInt8](repeating: 0, count: 64 - text.count)
        return bytes + [UInt8](repeating: 0, count: 224 - bytes.count)
    }
}
