// SPDX-License-Identifier: Apache-2.0
// Signatures: valid for what was signed and for nothing else, whatever is changed.

import Formats
import Glibc
import Platform
import Signing
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
        let signature = try SigningKey(name: "Ada").sign([SHA256.digest(of: profile.encoded())])
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
        let signature = try SigningKey(name: "Ada").sign([SHA256.digest(of: profile.encoded())])
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
        let signature = try SigningKey(name: "Ada").sign([SHA256.digest(of: profile.encoded())])
        let section = try signature.encoded()
        for index in section.indices {
            var forged = section
            forged[index] ^= 1
            guard let read = try? Signature(ByteView(copying: forged)) else { continue }
            #expect(!read.isValid, "byte \(index)")
            #expect(throws: FormatError.self) { try read.check() }
        }
        let other = try SigningKey(name: "Ada").sign(signature.digests)
        #expect(!other.signed(signature.signature).isValid)
        do { try other.signed(signature.signature).check() } catch { #expect(error.rule == .signatureValid) }
    }

    @Test func everyRuleOfTheSectionIsKept() throws {
        let digests = ["a", "b"].map { SHA256.digest(of: $0.utf8) }
        let section = try SigningKey(name: "Ada").sign(digests).encoded()
        func rule(_ change: (inout [UInt8]) -> Void) -> FormatRule? {
            var bytes = section
            change(&bytes)
            do {
                _ = try Signature(ByteView(copying: bytes))
                return nil
            } catch { return error.rule }
        }
        #expect(rule { _ in } == nil)
        #expect(rule { $0.removeLast(120) } == .signatureSize)
        #expect(rule { $0[4] = 3 } == .signatureSize)
        #expect(rule { $0[7] = 255 } == .signatureSize)
        #expect(rule { $0[11] = 255 } == .signatureSize)
        #expect(rule { $0[0] = 2 } == .signatureAlgorithm)
        #expect(rule { $0[12] = 1 } == .signatureReserved)
        #expect(rule { $0[127] = 1 } == .signatureReserved)
        #expect(rule { $0[$0.count - 1] = 0xFF } == .signatureName)
        #expect(rule { $0[$0.count - 1] = 0x1B } == .signatureName)
        #expect(rule { $0.replaceSubrange(128..<160, with: $0[160..<192]) } == .signatureDigests)
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
            try keys.key(named: "Ada").publicKey.hexadecimal
                == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        for name in ["Ada.key", "Ada.pub"] { unlink("\(keys.path)/\(name)") }
        rmdir(keys.path)
    }

    @Test func keysAreKeptAndListed() throws {
        let keys = KeyFolder(path: "\(folder.path)/keys")
        #expect(try keys.entries().isEmpty)
        let key = try keys.makeKey(named: "Ada")
        #expect(try keys.entries() == [.init(name: "Ada", publicKey: key.publicKey, hasSecret: true)])
        #expect(try keys.key(named: "Ada").publicKey == key.publicKey)
        var status = stat()
        #expect(stat("\(keys.path)/Ada.key", &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(throws: FileError.self) { try keys.makeKey(named: "Ada") }
        for name in ["../evil", "", "a b"] {
            do { _ = try keys.makeKey(named: name) } catch let error as FormatError {
                #expect(error.rule == .signatureKeyFile)
            }
        }
        for text in [
            "", "tiller public key 1\n", "tiller public key 1\n\(String(repeating: "g", count: 64))\n",
        ] {
            let file = try AtomicFileWriter(path: "\(keys.path)/Bad.pub", replaceExisting: true)
            try file.write(Array(text.utf8))
            try file.commit()
            #expect(throws: FormatError.self) { try keys.entries() }
        }
        for name in ["Ada.key", "Ada.pub", "Bad.pub"] { unlink("\(keys.path)/\(name)") }
        rmdir(keys.path)
    }
}
