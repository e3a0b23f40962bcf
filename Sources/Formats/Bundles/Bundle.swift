// SPDX-License-Identifier: Apache-2.0
// A program and a model in one executable file (formats/bundle.md): the program, its settings and a seal directly precede
// the model. The model is unchanged, and the reader finds it from the file's end as in any model file.

import JSON
import Platform

/// The part of a bundle before the model.
package struct Bundle: Sendable {
    package let settings: BundleSettings
    /// The program's bytes.
    package let program: ByteView
    private let programDigest: SHA256.Digest

    /// Reads the part before a model: nil for a model file, and for a model after a program without a seal.
    ///
    /// - Throws: `FormatError` bundle.md R1–R6.
    package init?(before file: TillerFile) throws(FormatError) {
        try self.init(prefix: file.container.prefix)
    }

    /// The same for a file whose model is located but not read: a program examines itself at every start.
    ///
    /// - Throws: `FormatError` bundle.md R1–R6, tiller.md R1–R11, R13, R14.
    package init?(in mapped: MappedFile) throws(FormatError) {
        try self.init(prefix: TillerContainer(ByteView(mapped.bytes, owner: mapped)).prefix)
    }

    private init?(prefix: ByteView) throws(FormatError) {
        guard prefix.count >= BundleLayout.sealByteCount,
            let seal = prefix.slice(
                prefix.count - BundleLayout.sealByteCount, count: BundleLayout.sealByteCount)?.copied(),
            seal.starts(with: BundleLayout.magic)
        else { return nil }
        let major = seal.load(UInt16.self, at: 8)
        guard major == 1 else {
            throw FormatError(
                .bundleVersion, found: "version \(major)", expected: "1; another Tiller made this bundle",
                byteOffset: seal.byteOffset + 8)
        }
        let programByteCount = seal.load(UInt64.self, at: 16)
        let settingsOffset = seal.load(UInt64.self, at: 24)
        let settingsByteCount = Int(seal.load(UInt32.self, at: 32))
        let end = prefix.count - BundleLayout.sealByteCount
        guard programByteCount > 0, settingsByteCount <= BundleSettings.maximumByteCount,
            settingsByteCount > 0, settingsByteCount <= end, programByteCount <= UInt64(end),
            settingsOffset == UInt64(Int(programByteCount).roundedUp(to: 64)),
            settingsOffset <= UInt64(end - settingsByteCount),
            let program = prefix.slice(0, count: Int(programByteCount)),
            let text = prefix.slice(Int(settingsOffset), count: settingsByteCount)?.copied()
        else {
            throw FormatError(
                .bundlePlaces,
                found:
                    "a program of \(programByteCount) bytes, settings of \(settingsByteCount) at \(settingsOffset)",
                expected: "one after the other, ending before \(end)", byteOffset: seal.byteOffset + 16)
        }
        try Self.checkSeal(seal, text)
        try Self.checkPadding(
            prefix, [program.count..<Int(settingsOffset), Int(settingsOffset) + text.count..<end])
        settings = try BundleSettings(JSON.parse(text, rule: .bundleText), at: text.byteOffset)
        self.program = program
        programDigest = SHA256.Digest(seal, at: 48)
    }

    /// Compares the program with its stored digest.
    /// - Throws: `FormatError` bundle.md R7.
    package func verifyProgram() throws(FormatError) {
        guard SHA256.digest(of: program) == programDigest else {
            throw FormatError(
                .bundleProgram, found: "changed bytes", expected: "SHA-256 \(programDigest)",
                byteOffset: 0)
        }
    }

    private static func checkSeal(_ seal: ByteView, _ text: ByteView) throws(FormatError) {
        var hash = SHA256()
        hash.update(text)
        if let sealed = seal.slice(0, count: 96) { hash.update(sealed) }
        guard hash.finalize() == SHA256.Digest(seal, at: 96) else {
            throw FormatError(
                .bundleSeal, found: "changed bytes", expected: "the seal's digest",
                byteOffset: seal.byteOffset + 96)
        }
    }

    private static func checkPadding(_ prefix: ByteView, _ gaps: [Range<Int>]) throws(FormatError) {
        for position in gaps.joined() where prefix[position] != 0 {
            throw FormatError(
                .bundlePadding, found: "byte \(prefix[position])", expected: "0", byteOffset: position)
        }
    }
}

extension Bundle {
    /// Writes a bundle as an executable file, completely or not at all.
    ///
    /// - Parameters:
    ///   - program: An executable file.
    ///   - model: Its valid state is copied unchanged; remains of a torn append are not copied.
    /// - Throws: `FileError`, `FormatError` bundle.md R5 or R6 for settings that break a rule.
    package static func write(
        program: MappedFile, model: TillerFile, settings: BundleSettings, to path: String,
        replaceExisting: Bool
    ) throws {
        let programView = ByteView(program.bytes, owner: program).copied()
        let text = settings.json.serializedBytes()
        guard text.count <= BundleSettings.maximumByteCount else {
            throw FormatError(
                .bundleText, found: "settings of \(text.count) bytes",
                expected: "at most \(BundleSettings.maximumByteCount)")
        }
        _ = try BundleSettings(settings.json, at: 0)
        let file = try AtomicFileWriter(path: path, replaceExisting: replaceExisting)
        try file.allowExecution()
        try file.write(programView.bytes)
        try file.write(
            BundleLayout.head(
                programByteCount: programView.count, programDigest: SHA256.digest(of: programView),
                settings: text
            ))
        try write(model, to: file)
        try file.commit()
    }

    /// Writes a bundle's model, or a model file, as a separate file.
    /// - Throws: `FileError`.
    package static func writeModel(_ model: TillerFile, to path: String, replaceExisting: Bool) throws {
        let file = try AtomicFileWriter(path: path, replaceExisting: replaceExisting)
        try write(model, to: file)
        try file.commit()
    }

    private static func write(_ model: TillerFile, to file: AtomicFileWriter) throws {
        let view = model.container.view
        // If the file were written directly from a mapping, the page cache would keep it in small pieces, and a program that maps
        // it would take half as long again to its first token.
        let buffer = try AlignedBuffer<UInt8>(count: 4 << 20)
        for start in stride(from: 0, to: view.count, by: buffer.count) {
            let count = min(buffer.count, view.count - start)
            guard let piece = view.slice(start, count: count), let source = piece.bytes.baseAddress else {
                break
            }
            let target = UnsafeMutableRawPointer(buffer.baseAddress)
            target.copyMemory(from: source, byteCount: count)
            try file.write(UnsafeRawBufferPointer(start: target, count: count))
        }
    }
}

/// Sizes, the magic number, and the fields between program and model.
enum BundleLayout {
    static let sealByteCount = 128
    /// "\x89TILBOX\n".
    static let magic: [UInt8] = [0x89] + Array("TILBOX\n".utf8)

    static func head(programByteCount: Int, programDigest: SHA256.Digest, settings: [UInt8]) -> [UInt8] {
        let settingsOffset = programByteCount.roundedUp(to: 64)
        var seal = magic
        seal.append(littleEndian: UInt16(1))
        seal.append(littleEndian: UInt16(0))
        seal.append(littleEndian: UInt32(0))
        seal.append(littleEndian: UInt64(programByteCount))
        seal.append(littleEndian: UInt64(settingsOffset))
        seal.append(littleEndian: UInt32(settings.count))
        seal.append(contentsOf: [UInt8](repeating: 0, count: 12))
        seal.append(contentsOf: programDigest.bytes)
        seal.append(contentsOf: [UInt8](repeating: 0, count: 16))
        seal.append(contentsOf: SHA256.digest(of: settings + seal).bytes)
        let end = (settingsOffset + settings.count + sealByteCount).roundedUp(
            to: TillerLayout.weightsAlignment)
        var head = [UInt8](repeating: 0, count: settingsOffset - programByteCount) + settings
        head += [UInt8](repeating: 0, count: end - programByteCount - head.count - sealByteCount)
        return head + seal
    }
}
