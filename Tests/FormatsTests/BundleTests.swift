// SPDX-License-Identifier: Apache-2.0
// Bundles: a model behind a program stays a model, and a broken seal is found.

import Formats
import Platform
import Steering
import TestSupport
import Testing

struct BundleTests {
    private let folder = TemporaryFolder()
    private let settings = BundleSettings(
        steering: [.init(name: "calm", strength: 0.5), .init(name: "bold", strength: nil)], system: "Be kind."
    )
    private let program = [0x7F, 0x45, 0x4C, 0x46] + [UInt8](repeating: 7, count: 1001)

    private func write(_ settings: BundleSettings) throws -> [UInt8] {
        folder.write(try TinyModel.bytes(), to: "\(folder.path)/model.tiller")
        folder.write(program, to: "\(folder.path)/program")
        try Bundle.write(
            program: MappedFile(path: "\(folder.path)/program"),
            model: TillerFile(path: "\(folder.path)/model.tiller"), settings: settings,
            to: "\(folder.path)/boat", replaceExisting: true)
        return folder.read("\(folder.path)/boat")
    }

    private func open(_ bytes: [UInt8]) throws -> (TillerFile, Bundle?) {
        let file = try TillerFile(bytes: ByteView(copying: bytes))
        return (file, try Bundle(before: file))
    }

    @Test func settingsAndModelComeBack() throws {
        let bytes = try write(settings)
        let (file, bundle) = try open(bytes)
        let opened = try #require(bundle)
        #expect(opened.settings == settings && Array(opened.program) == program)
        try opened.verifyProgram()
        #expect(file.originByteOffset == 4096 && file.profiles.map(\.name) == ["calm"])
        try Bundle.writeModel(file, to: "\(folder.path)/back.tiller", replaceExisting: false)
        #expect(folder.read("\(folder.path)/back.tiller") == folder.read("\(folder.path)/model.tiller"))
    }

    @Test func profilesComeAndGoAsInAModelFile() throws {
        _ = try write(BundleSettings())
        for name in ["boat", "model.tiller"] {
            let path = "\(folder.path)/\(name)"
            try TillerProfileStore.add(TinyModel.profile("bold", seed: 2), in: path)
            try TillerProfileStore.remove("calm", in: path)
        }
        let (file, bundle) = try open(folder.read("\(folder.path)/boat"))
        #expect(file.profiles.map(\.name) == ["bold"] && bundle?.settings == BundleSettings())
        try Bundle.writeModel(file, to: "\(folder.path)/back.tiller", replaceExisting: false)
        #expect(folder.read("\(folder.path)/back.tiller") == folder.read("\(folder.path)/model.tiller"))
    }

    @Test func aModelFileIsNoBundle() throws {
        #expect(try open(TinyModel.bytes()).1 == nil)
        // Nor is a model behind a program that knows nothing of it.
        let padded = program + [UInt8](repeating: 0, count: 4096 - program.count)
        #expect(try open(padded + TinyModel.bytes()).1 == nil)
    }

    /// The bytes with a change before the model, sealed again.
    private func resealed(_ bytes: [UInt8], _ change: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes = bytes
        change(&bytes)
        let view = ByteView(copying: bytes)
        let count = Int(view.load(UInt32.self, at: 4000))
        let start = 1024
        let sealed = SHA256.digest(of: bytes[start..<(start + count)] + bytes[3968..<4064]).bytes
        bytes.replaceSubrange(4064..<4096, with: sealed)
        return bytes
    }

    private func rule(of bytes: [UInt8]) -> FormatRule? {
        do {
            try open(bytes).1?.verifyProgram()
            return nil
        } catch { return (error as? FormatError)?.rule }
    }

    @Test func everyRuleIsKept() throws {
        let bytes = try write(settings)
        var damaged = bytes
        damaged[1030] ^= 1
        #expect(rule(of: damaged) == .bundleSeal)
        #expect(rule(of: resealed(bytes) { $0[3976] = 2 }) == .bundleVersion)
        #expect(rule(of: resealed(bytes) { $0[3984] = 6 }) == .bundlePlaces)
        #expect(rule(of: resealed(bytes) { $0[2000] = 1 }) == .bundlePadding)
        #expect(rule(of: resealed(bytes) { $0[1024] = UInt8(ascii: "[") }) == .bundleText)
        let text = Array("system".utf8)
        let place = try #require(bytes[1024..<2000].indices.first { bytes[$0...].starts(with: text) })
        #expect(
            rule(
                of: resealed(bytes) {
                    $0[place + 8] = UInt8(ascii: "1"); blank(&$0, place + 9)
                }) == .bundleField)
        #expect(rule(of: resealed(bytes) { $0[500] ^= 1 }) == .bundleProgram)
    }

    /// Blanks the rest of a text up to the object's end.
    private func blank(_ bytes: inout [UInt8], _ start: Int) {
        var index = start
        while bytes[index] != UInt8(ascii: "}") {
            bytes[index] = UInt8(ascii: " ")
            index += 1
        }
    }

    @Test func mutationsAreRefusedAndNeverCrash() throws {
        let bytes = try write(settings)
        var random = SeededGenerator(seed: 11)
        for _ in 0..<mutationCount {
            var mutated = bytes
            let index = Int.random(in: 0..<4096, using: &random)
            mutated[index] ^= UInt8.random(in: 1...255, using: &random)
            // What is changed is the program, its settings, their padding or the seal; nothing of it passes.
            let isMagic = index < 4 || (3968..<3976).contains(index)
            #expect(rule(of: mutated) != nil || isMagic, "byte \(index)")
        }
    }
}
