// SPDX-License-Identifier: Apache-2.0
// A signed model of which something is missing or changed: it is refused, or it is no longer what was signed.

import Formats
import ModelFixtures
import Platform
import Signing
import Steering
import TestSupport
import Testing

@Suite struct SignedModelTests {
    private let folder = TemporaryFolder()

    /// The bytes of a model that a key has signed as a whole.
    private func signedModel() throws -> [UInt8] {
        let path = try TinyModel("llama").convert(.int8, in: folder)
        let signature = try SigningKey(name: "Ada").sign(
            TillerFile(path: path).signableSections, scope: .file)
        #expect(try TillerStore.add(signature, in: path).isEmpty)
        return try readFile(path: path, limit: 1 << 24)
    }

    /// Whether a reader takes the bytes for a file that is signed.
    private func isSigned(_ bytes: [UInt8]) -> Bool {
        guard let file = try? TillerFile(bytes: ByteView(copying: bytes)), (try? file.verify()) == true else {
            return false
        }
        return file.signatures.contains { $0.signature.isValid && file.judge($0.signature).holds() }
    }

    /// So many places of a file as mutations are wanted, evenly spread; all of them where there are fewer.
    private func places(_ count: Int) -> StrideTo<Int> {
        stride(from: 0, to: count, by: max(1, count / mutationCount))
    }

    @Test func noPrefixOfASignedModelIsSigned() throws {
        let bytes = try signedModel()
        #expect(isSigned(bytes))
        var taken: [Int] = []
        for count in places(bytes.count) where isSigned(Array(bytes[..<count])) { taken.append(count) }
        #expect(taken.isEmpty)
    }

    @Test func noMutationOfAByteLeavesASignedModel() throws {
        let bytes = try signedModel()
        var mutated = bytes
        var taken: [Int] = []
        for place in places(bytes.count) {
            mutated[place] ^= 0x41
            if isSigned(mutated) { taken.append(place) }
            mutated[place] = bytes[place]
        }
        #expect(taken.isEmpty, "\(taken.count) of \(bytes.count) bytes")
    }

    @Test func sectionsOfTwoFilesSignedByOneKeyDoNotMix() throws {
        let key = SigningKey(name: "Ada")
        let paths = try [
            TinyModel("qwen2").convert(.int8, in: folder), TinyModel("qwen3").convert(.int8, in: folder),
        ]
        let files = try paths.map { try TillerFile(path: $0) }
        let signatures = try files.map { try key.sign($0.signableSections, scope: .file) }
        for (file, signature) in zip(files, signatures) { #expect(file.judge(signature).holds()) }
        #expect(!files[0].judge(signatures[1]).holds() && !files[1].judge(signatures[0]).holds())
        // One that signs sections of both is by the key only if the key has signed it.
        for count in 1..<files[0].signableSections.count {
            let mixed = Array(files[0].signableSections[..<count] + files[1].signableSections[count...])
            let forged = Signature(
                signer: "Ada", publicKey: key.publicKey, scope: .file, date: 0, sections: mixed
            ).signed(signatures[0].signature)
            #expect(!forged.isValid)
            #expect(!files[0].judge(forged).holds())
        }
    }
}
