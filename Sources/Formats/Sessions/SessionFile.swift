// SPDX-License-Identifier: Apache-2.0
// The state of a session, kept between runs of the program (formats/session.md): tokens, and their keys and values (the KV
// cache) under one model and one steering. `SessionBinding` decides whether they can be reused; this file checks the bytes.

import JSON
import Platform

/// The conditions under which keys and values were computed: they are reused only if all of them are equal.
package struct SessionBinding: Equatable, Sendable {
    package var model: SHA256.Digest
    package var steering: SHA256.Digest
    /// Kernels and version of the program, at most 64 bytes: other kernels may round differently.
    package var computation: String
    /// 0 float32, 1 float16, 2 int8.
    package var cacheEncoding: UInt32
    package var layerCount: Int
    package var keyValueHeadCount: Int
    package var headSize: Int

    package init(
        model: SHA256.Digest, steering: SHA256.Digest, computation: String, cacheEncoding: UInt32,
        layerCount: Int, keyValueHeadCount: Int, headSize: Int
    ) {
        self.model = model
        self.steering = steering
        self.computation = String(computation.prefix(60))
        self.cacheEncoding = cacheEncoding
        self.layerCount = layerCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
    }
}

/// An open session file.
package struct SessionFile: Sendable {
    package let binding: SessionBinding
    /// The messages of a conversation; null for a text.
    package let conversation: JSON
    package let tokens: [Int32]
    /// Whether each token came from the prompt; other tokens were generated.
    package let isPromptToken: [Bool]
    /// The inputs of the gates' conditions [conditions][tokens].
    package let gates: [[Float]]
    /// Keys and values; see `SequenceState.restore`.
    package let state: ByteView

    /// Maps and checks a file.
    /// - Throws: `FileError`, `FormatError` of session.md.
    package init(path: String) throws {
        let mapped = try MappedFile(path: path)
        mapped.advise(.willNeed)
        self = try namingFile(path) { () throws(FormatError) in
            try SessionFile(ByteView(mapped.bytes, owner: mapped))
        }
    }

    /// Reads a whole file's bytes.
    /// - Throws: `FormatError`.
    package init(_ file: ByteView) throws(FormatError) {
        guard file.starts(with: SessionLayout.magic) else {
            throw FormatError(
                .sessionMagic, found: "the first bytes \(Array(file.prefix(8)))",
                expected: "\(SessionLayout.magic), \"\\x89TILSES\\n\"", byteOffset: 0)
        }
        let layout = try SessionLayout(file)
        let parts = try layout.parts(file)
        binding = try layout.binding()
        conversation = parts.text.isEmpty ? .null : try JSON.parse(parts.text, rule: .sessionText)
        tokens = (0..<layout.tokenCount).map { Int32(bitPattern: parts.tokens.load(UInt32.self, at: 4 * $0)) }
        if let index = tokens.firstIndex(where: { $0 < 0 }) {
            throw FormatError(
                .sessionToken, found: "token \(tokens[index])", expected: "0 or more",
                byteOffset: parts.tokens.byteOffset + 4 * index)
        }
        if let index = parts.phases.firstIndex(where: { $0 > 1 }) {
            throw FormatError(
                .sessionToken, found: "phase \(parts.phases[index])", expected: "0 or 1",
                byteOffset: parts.phases.byteOffset + index)
        }
        isPromptToken = parts.phases.map { $0 == 1 }
        let count = layout.tokenCount
        gates = (0..<layout.gateCount).map { gate in
            (0..<count).map {
                Float(bitPattern: parts.gates.load(UInt32.self, at: 4 * (gate * count + $0)))
            }
        }
        guard gates.allSatisfy({ $0.allSatisfy(\.isFinite) }) else {
            throw FormatError(
                .sessionNumbers, found: "a gate's number that is not finite", expected: "finite numbers",
                byteOffset: parts.gates.byteOffset)
        }
        state = parts.state
    }

    /// Writes a file completely or not at all; only its owner can read it.
    ///
    /// - Parameters:
    ///   - stateByteCount: Bytes of keys and values.
    ///   - writeState: Passes keys and values to its argument in pieces.
    /// - Throws: `FileError`, `FormatError` session.md R3 if a part is too long.
    package static func write(
        _ binding: SessionBinding, conversation: JSON, tokens: [Int32], isPromptToken: [Bool],
        gates: [[Float]], stateByteCount: Int, to path: String,
        writeState: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        let text = conversation.isNull ? [] : conversation.serializedBytes()
        guard text.count <= SessionLayout.maximumTextByteCount,
            (1...SessionLayout.maximumTokenCount).contains(tokens.count)
        else {
            throw FormatError(
                .sessionSize, found: "\(text.count) bytes of text, \(tokens.count) tokens",
                expected:
                    "at most \(SessionLayout.maximumTextByteCount) and 1 to \(SessionLayout.maximumTokenCount)"
            )
        }
        var body = text
        body.pad(to: 64)
        for token in tokens { body.append(littleEndian: UInt32(bitPattern: token)) }
        body.pad(to: 64)
        body.append(contentsOf: isPromptToken.map { $0 ? 1 : 0 })
        body.pad(to: 64)
        for value in gates.joined() { body.append(littleEndian: value.bitPattern) }
        body.pad(to: 64)
        let header = SessionLayout.header(
            binding, textByteCount: text.count, tokenCount: tokens.count, gateCount: gates.count,
            fileByteCount: SessionLayout.headerByteCount + body.count + stateByteCount)

        let file = try AtomicFileWriter(path: path, replaceExisting: true)
        try file.keepPrivate()
        var hash = SHA256()
        hash.update(header.span.bytes)
        hash.update(body.span.bytes)
        try file.write(header + [UInt8](repeating: 0, count: 32))
        try file.write(body)
        try writeState { piece in
            hash.update(piece.bytes)
            try file.write(piece)
        }
        try file.write(hash.finalize().bytes, at: header.count)
        try file.commit()
    }
}
