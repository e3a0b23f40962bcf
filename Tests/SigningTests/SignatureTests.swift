// SPDX-License-Identifier: Apache-2.0
// Signatures: valid for what was signed and for nothing else, whatever is changed.

import Formats
import Glibc
import Platform
import Signing
import Steering
import TestSupport
import Testing

@Suite struct SignatureTests {
    private let folder = TemporaryFolder()
    private var profilePath: String { "\(folder.path)/calm.tillerprofile" }

    private let profile = SteeringProfile(
        name: "calm", description: "a test", sourceHash: SHA256.digest(of: "source".utf8), hiddenSize: 4,
        layerCount: 2, method: "mean-difference",
        operations: [.init(.add, layer: 1, vector: 0, coefficient: 1)],
        residualRMS: [1, 2], recommendedStrength: 0.5, minimumStrength: -1, maximumStrength: 1,
        vectors: [[0.5, -0.5, 0.5, -0.5]])

    private func signedBytes() throws -> [UInt8] {
        let signature = try SigningKey(name: "Ada").sign(
            [SignedSection(profile: profile.encoded())], scope: .profile)
        return try TillerProfileFile.bytes(of: profile, signatures: [signature])
    }

    /// What a reader makes of a profile's file: nil where it is refused, else whether it is signed.
    private func reading(of bytes: [UInt8]) -> Bool? {
        guard let content = try? TillerProfileFile.content(of: ByteView(copying: bytes)) else { return nil }
        guard content.profile == profile else {
            return content.signatures.contains(where: \.isValid) ? true : nil
        }
        return content.signatures.contains(where: \.isValid)
    }

    @Test func aSignedProfileIsReadAsSuch() throws {
        #expect(try reading(of: signedBytes()) == true)
        #expect(try reading(of: TillerProfileFile.bytes(of: profile)) == false)
        let content = try TillerProfileFile.content(of: ByteView(copying: signedBytes()))
        try content.signatures[0].check()
        #expect(content.signatures[0].signer == "Ada")
    }

    @Test func noFlippedByteLeavesASignedProfile() throws {
        let bytes = try signedBytes()
        for index in bytes.indices {
            var flipped = bytes
            flipped[index] ^= 0x41
            // Nothing explains the header's reserved bytes but the footer's checksum, nothing is left over.
            #expect(reading(of: flipped) != true, "byte \(index)")
        }
    }

    @Test func mutationsOfASignedProfileAreNeverTakenForIt() throws {
        let bytes = try signedBytes()
        var random = SeededGenerator(seed: 21)
        for _ in 0..<mutationCount {
            var mutated = bytes
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                mutated[Int.random(in: 0..<bytes.count, using: &random)] ^= UInt8.random(
                    in: 1...255, using: &random)
            }
            #expect(reading(of: mutated) != true)
        }
    }

    @Test func mutationsOfASignatureInAWholeFileAreNotValid() throws {
        let signature = try SigningKey(name: "Ada").sign(
            [SignedSection(profile: profile.encoded())], scope: .profile)
        let section = try signature.encoded()
        var random = SeededGenerator(seed: 22)
        for _ in 0..<mutationCount {
            var mutated = section
            mutated[Int.random(in: 0..<section.count, using: &random)] ^= UInt8.random(
                in: 1...255, using: &random)
            // The file around it is whole: what a forger writes.
            guard let forged = try? Signature(ByteView(copying: mutated)),
                let bytes = try? TillerProfileFile.bytes(of: profile, signatures: [forged])
            else { continue }
            #expect(reading(of: bytes) != true)
        }
    }

    @Test func aForgedSectionIsNotValid() throws {
        let signature = try SigningKey(name: "Ada").sign(
            [SignedSection(profile: profile.encoded())], scope: .profile)
        let section = try signature.encoded()
        for index in section.indices {
            var forged = section
            forged[index] ^= 1
            guard let read = try? Signature(ByteView(copying: forged)) else { continue }
            #expect(!read.isValid, "byte \(index)")
            #expect(throws: FormatError.self) { try read.check() }
        }
        let other = try SigningKey(name: "Ada").sign(signature.sections, scope: .profile)
        #expect(!other.signed(signature.signature).isValid)
        do { try other.signed(signature.signature).check() } catch { #expect(error.rule == .signatureValid) }
    }

    private func rule(_ section: [UInt8], _ change: (inout [UInt8]) -> Void) -> FormatRule? {
        var bytes = section
        change(&bytes)
        do {
            _ = try Signature(ByteView(copying: bytes))
            return nil
        } catch { return error.rule }
    }

    @Test func everyRuleOfTheSectionIsKept() throws {
        let section = try SigningKey(name: "Ada").sign(
            [SignedSection(profile: [1]), SignedSection(profile: [2])], scope: .file
        ).encoded()
        #expect(rule(section) { _ in } == nil)
        #expect(rule(section) { $0.removeLast(150) } == .signatureSize)
        #expect(rule(section) { $0[4] = 3 } == .signatureSize)
        #expect(rule(section) { $0[7] = 255 } == .signatureSize)
        #expect(rule(section) { $0[11] = 255 } == .signatureSize)
        #expect(rule(section) { $0[0] = 3 } == .signatureAlgorithm)
        #expect(rule(section) { $0[127] = 1 } == .signatureReserved)
        #expect(rule(section) { $0[$0.count - 1] = 0xFF } == .signatureName)
        #expect(rule(section) { $0[$0.count - 1] = 0x1B } == .signatureName)
        // Scopes, kinds and sizes that no writer signs.
        #expect(rule(section) { $0[12] = 0 } == .signatureSections)
        #expect(rule(section) { $0[12] = 2 } == .signatureSections)
        #expect(rule(section) { $0[128] = 0 } == .signatureSections)
        #expect(rule(section) { $0[176] = 10 } == .signatureSections)
        #expect(rule(section) { $0[136] = 0 } == .signatureSections)
        #expect(rule(section) { $0[143] = 255 } == .signatureSections)
    }

    @Test func everyRuleOfVersion1IsKept() throws {
        let digests = ["a", "b"].map { SHA256.digest(of: $0.utf8) }
        let key = SigningKey(name: "Ada")
        let signature = try key.sign(Signature(signer: "Ada", publicKey: key.publicKey, digests: digests))
        let section = try signature.encoded()
        #expect(rule(section) { _ in } == nil)
        #expect(try Signature(ByteView(copying: section)) == signature && signature.isValid)
        #expect(signature.version == .digests && signature.scope == .file && signature.date == nil)
        #expect(rule(section) { $0[4] = 3 } == .signatureSize)
        #expect(rule(section) { $0[12] = 1 } == .signatureReserved)
        #expect(rule(section) { $0[112] = 1 } == .signatureReserved)
        #expect(rule(section) { $0.replaceSubrange(128..<160, with: $0[160..<192]) } == .signatureSections)
    }

    @Test func noSignatureBecomesOneOfAnotherVersion() throws {
        let key = SigningKey(name: "Ada")
        let section = SignedSection(profile: [1])
        let new = try key.sign([section], scope: .profile)
        let old = try key.sign(Signature(signer: "Ada", publicKey: key.publicKey, digests: [section.digest]))
        #expect(new.isValid && old.isValid)
        #expect(!new.signed(old.signature).isValid && !old.signed(new.signature).isValid)
        // Nor one of another scope.
        let file = Signature(
            signer: "Ada", publicKey: key.publicKey, scope: .file, date: new.date ?? 0, sections: [section])
        #expect(!file.signed(new.signature).isValid)
    }

    @Test func keysThatAnybodySignsByAreRefused() throws {
        // The 8 points of small order in all their encodings: tools/golden/small_order.py.
        let text = try readFile(
            path: "\(packageRoot)/Tests/Fixtures/signatures/small_order.txt", limit: 1 << 16)
        let keys = String(decoding: text, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(keys.count == 14)
        let keyFolder = KeyFolder(path: folder.path)
        for key in keys {
            try write("tiller public key 1\n\(key)\n", to: "Weak.pub")
            #expect(keyFolder.contents().entries.isEmpty && keyFolder.contents().warnings.count == 1)
            do { _ = try keyFolder.publicKey(named: "Weak") } catch let error as FormatError {
                #expect(error.rule == .signatureSmallOrder)
            }
            // R is the neutral point, S is 0: S·B = R + h·A for A of order 1, and by luck for the others.
            let digits = Array(key)
            let bytes = stride(from: 0, to: 64, by: 2).compactMap {
                UInt8(String(digits[$0...$0 + 1]), radix: 16)
            }
            for tries in 0..<16 {
                let forged = Signature(
                    signer: "Eve", publicKey: bytes, scope: .profile, date: tries,
                    sections: [SignedSection(profile: [1])])
                #expect(!forged.signed([1] + [UInt8](repeating: 0, count: 63)).isValid)
            }
        }
        unlink("\(folder.path)/Weak.pub")
    }

    @Test func theStandardsKeySignsAsThere() throws {
        // RFC 8032 §7.1, test 1: the public key of this seed.
        let keys = KeyFolder(path: "\(folder.path)/keys")
        _ = try keys.makeKey(named: "Ada")
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
        let file = try AtomicFileWriter(path: "\(keys.path)/Ada.key", replaceExisting: true)
        try file.write(Array("tiller secret key 1\n\(seed)\n".utf8))
        try file.commit()
        #expect(
            try keys.key(named: "Ada", warn: { _ in }).publicKey.hexadecimal
                == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        for name in ["Ada.key", "Ada.pub"] { unlink("\(keys.path)/\(name)") }
        rmdir(keys.path)
    }

    private func write(_ text: String, to name: String) throws {
        let file = try AtomicFileWriter(path: "\(folder.path)/\(name)", replaceExisting: true)
        try file.write(Array(text.utf8))
        try file.commit()
    }

    @Test func keysAreKeptAndListed() throws {
        let keys = KeyFolder(path: "\(folder.path)/keys")
        #expect(keys.contents().entries.isEmpty && keys.contents().warnings.isEmpty)
        let key = try keys.makeKey(named: "Ada")
        #expect(keys.contents().entries == [.init(name: "Ada", publicKey: key.publicKey, hasSecret: true)])
        #expect(try keys.key(named: "Ada", warn: { Issue.record("\($0)") }).publicKey == key.publicKey)
        #expect(try keys.publicKey(named: "Ada") == key.publicKey)
        var status = stat()
        #expect(stat("\(keys.path)/Ada.key", &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(throws: FileError.self) { try keys.makeKey(named: "Ada") }
        for name in ["../evil", "", "a b"] {
            do { _ = try keys.makeKey(named: name) } catch let error as FormatError {
                #expect(error.rule == .signatureKeyFile)
            }
        }
        for name in ["Ada.key", "Ada.pub"] { unlink("\(keys.path)/\(name)") }
        rmdir(keys.path)
    }

    @Test func whatIsNoKeyIsPassedOverWithAWord() throws {
        let keys = KeyFolder(path: folder.path)
        let key = try keys.makeKey(named: "Ada")
        let digits = key.publicKey.hexadecimal
        let foreign = [
            "", "tiller public key 1\n", "tiller public key 1\n\(String(repeating: "g", count: 64))\n",
            "tiller secret key 1\n\(digits)\n", "tiller public key 1\n\(digits)", "ssh-ed25519 AAAA me\n",
            String(repeating: "x", count: 5000),
        ]
        for text in foreign {
            try write(text, to: "Bad.pub")
            #expect(keys.contents().entries.map(\.name) == ["Ada"])
            #expect(keys.contents().warnings.count == 1)
            #expect(keys.contents().warnings.first?.contains("Bad.pub") == true)
            #expect(throws: (any Error).self) { try keys.publicKey(named: "Bad") }
        }
        unlink("\(folder.path)/Bad.pub")
        // What has no content to be read, and what must not be waited for.
        mkdir("\(folder.path)/Folder.pub", 0o700)
        mkfifo("\(folder.path)/Pipe.pub", 0o600)
        symlink("nowhere", "\(folder.path)/Link.pub")
        try write("tiller public key 1\n\(digits)\n", to: "b ad.pub")
        #expect(keys.contents().entries.map(\.name) == ["Ada"] && keys.contents().warnings.count == 4)
        rmdir("\(folder.path)/Folder.pub")
        for name in ["Pipe.pub", "Link.pub", "b ad.pub"] { unlink("\(folder.path)/\(name)") }
        // A secret that is none any more.
        chmod("\(folder.path)/Ada.key", 0o640)
        var words: [String] = []
        #expect(try keys.key(named: "Ada", warn: { words.append($0) }).publicKey == key.publicKey)
        #expect(words.count == 1 && keys.contents().warnings == words && words[0].contains("chmod 600"))
        for name in ["Ada.key", "Ada.pub"] { unlink("\(folder.path)/\(name)") }
    }
}
