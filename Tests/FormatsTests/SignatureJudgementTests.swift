// SPDX-License-Identifier: Apache-2.0
// What a signature says of a file that was changed after it: sections gone, replaced, given another kind or flags, added, mixed.

import Formats
import Platform
import Steering
import Testing

/// One way to change a signed file, and what each version of its signature makes of that.
struct SignedFileChange: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let holds: Bool
    let holdsInVersion1: Bool
    let change: @Sendable (inout RawTiller) throws -> Void

    init(
        _ name: String, _ holds: Bool, _ holdsInVersion1: Bool,
        _ change: @Sendable @escaping (inout RawTiller) throws -> Void
    ) {
        (testDescription, self.holds, self.holdsInVersion1, self.change) = (
            name, holds, holdsInVersion1, change
        )
    }

    private static func section(_ kind: UInt32, _ bytes: [UInt8], flags: UInt32 = 0) -> RawTiller.Section {
        RawTiller.Section(kind: kind, flags: flags, bytes: bytes)
    }

    static let all: [SignedFileChange] = [
        .init("nothing", true, true) { _ in },
        .init("a profile added", true, true) {
            $0.sections.append(section(6, try TinyModel.profile("calmer", seed: 9).encoded()))
        },
        .init("a profile removed", false, false) { $0.sections.remove(at: $0.index(of: .steeringProfile)) },
        .init("a profile replaced", false, false) {
            $0[.steeringProfile].bytes = try TinyModel.profile("calm", seed: 9).encoded()
        },
        .init("a profile with a flag, so that it is ignored", false, false) {
            $0[.steeringProfile].flags = 4
        },
        .init("a profile of a kind that is ignored", false, false) { $0[.steeringProfile].kind = 8 },
        .init("the template removed", false, false) { $0.sections.remove(at: $0.index(of: .chatTemplate)) },
        .init("the template replaced", false, false) { $0[.chatTemplate].bytes = Array("{{ evil }}".utf8) },
        .init("the template with a flag, so that it is ignored", false, false) {
            $0[.chatTemplate].flags = 2
        },
        .init("the template of a kind that is ignored", false, false) { $0[.chatTemplate].kind = 70_000 },
        // Version 1 leaves open what does not change the meaning.
        .init("the template required", false, true) { $0[.chatTemplate].flags = 1 },
        .init("sections in another order", false, true) {
            $0.sections.swapAt($0.index(of: .chatTemplate), $0.index(of: .tokenizer))
        },
        .init("the tokenizer replaced", false, false) { $0[.tokenizer].bytes = Array("nekots".utf8) },
        .init("the weights replaced", false, false) { $0[.weights].bytes[5] ^= 1 },
        .init("the manifest replaced", false, false) {
            $0[.manifest].bytes = Array(
                String(decoding: $0[.manifest].bytes, as: UTF8.self).replacing("tiny", with: "tinY").utf8)
        },
        .init("statistics added", false, false) {
            $0.sections.append(section(7, try TinyModel.calibration.encoded(for: TinyModel.configuration)))
        },
        .init("a section of an unknown kind added", false, false) {
            $0.sections.append(section(70_000, [1]))
        },
        .init("a profile that nobody reads added", false, false) {
            $0.sections.append(section(6, try TinyModel.profile("calmer", seed: 9).encoded(), flags: 4))
        },
    ]
}

@Suite struct SignatureJudgementTests {
    private func file(_ raw: RawTiller) throws -> TillerFile {
        try TillerFile(bytes: ByteView(copying: raw.bytes))
    }

    private func signature(of file: TillerFile) -> Signature {
        Signature(
            signer: "Ada", publicKey: [UInt8](repeating: 7, count: 32), scope: .file, date: 1,
            sections: file.signableSections
        ).signed([UInt8](repeating: 9, count: 64))
    }

    private func oldSignature(of file: TillerFile) -> Signature {
        Signature(
            signer: "Ada", publicKey: [UInt8](repeating: 7, count: 32),
            digests: file.sections.filter { $0.kind != .free }.map(\.digest)
        ).signed([UInt8](repeating: 9, count: 64))
    }

    @Test(arguments: SignedFileChange.all)
    func aChangeIsFoundByBothVersions(change: SignedFileChange) throws {
        var raw = try RawTiller(TinyModel.bytes())
        let (new, old) = (signature(of: try file(raw)), oldSignature(of: try file(raw)))
        try change.change(&raw)
        let changed = try file(raw)
        #expect(changed.judge(new).holds() == change.holds, "\(changed.judge(new))")
        #expect(changed.judge(old).holds() == change.holdsInVersion1, "\(changed.judge(old))")
        #expect((changed.judge(new).problem() == nil) == change.holds)
    }

    @Test func whatIsAddedIsNamed() throws {
        var raw = try RawTiller(TinyModel.bytes(chatTemplate: nil))
        let signed = signature(of: try file(raw))
        raw.sections.append(
            .init(kind: 6, flags: 0, bytes: try TinyModel.profile("calmer", seed: 9).encoded()))
        #expect(try file(raw).judge(signed).addedProfiles == ["calmer"])
        raw.sections.append(.init(kind: 5, flags: 0, bytes: Array("{{ x }}".utf8)))
        let changed = try file(raw)
        #expect(changed.judge(signed).added.map(\.kind) == [.chatTemplate])
        #expect(changed.judge(signed).problem()?.contains("chat template") == true)
        // Somebody who is known vouches for it.
        #expect(changed.judge(signed).holds(besides: changed.sections(coveredBy: signature(of: changed))))
    }

    @Test func sectionsOfTwoSignedFilesDoNotMix() throws {
        let one = try RawTiller(TinyModel.bytes(chatTemplate: "one", profiles: [TinyModel.profile("calm")]))
        var two = one
        two[.weights].bytes[0] ^= 1
        two[.chatTemplate].bytes = Array("two".utf8)
        two[.tokenizer].bytes = Array("nekots".utf8)
        two[.steeringProfile].bytes = try TinyModel.profile("calm", seed: 9).encoded()
        let signatures = [signature(of: try file(one)), signature(of: try file(two))]
        let old = [oldSignature(of: try file(one)), oldSignature(of: try file(two))]
        let kinds: [SectionKind] = [.weights, .chatTemplate, .tokenizer, .steeringProfile]
        for choice in 0..<16 {
            var mixed = one
            for (bit, kind) in kinds.enumerated() where choice >> bit & 1 == 1 { mixed[kind] = two[kind] }
            let judged = try file(mixed)
            for pair in [signatures, old] {
                #expect(judged.judge(pair[0]).holds() == (choice == 0))
                #expect(judged.judge(pair[1]).holds() == (choice == 15))
            }
        }
    }

    @Test func noByteOfASignedModelChangesUnseen() throws {
        var raw = try RawTiller(TinyModel.bytes())
        let signed = signature(of: try file(raw))
        raw.sections.append(.init(kind: 10, flags: 0, bytes: try signed.encoded()))
        let bytes = raw.bytes
        func passes(_ bytes: [UInt8]) -> Bool {
            guard let file = try? TillerFile(bytes: ByteView(copying: bytes)),
                (try? file.verify()) == true, let found = file.signatures.first
            else { return false }
            return found.signature == signed && file.judge(found.signature).holds()
        }
        #expect(passes(bytes))
        var flipped = bytes
        var unseen: [Int] = []
        for index in bytes.indices {
            flipped[index] ^= 0x41
            if passes(flipped) { unseen.append(index) }
            flipped[index] ^= 0x41
        }
        #expect(unseen.isEmpty)
        for count in stride(from: 0, to: bytes.count, by: 7) { #expect(!passes(Array(bytes[..<count]))) }
    }

    @Test func aNewSignatureTakesThePlaceOfWhatNoLongerHolds() throws {
        let folder = TemporaryFolder()
        let path = folder.file("m.tiller", try TinyModel.bytes())
        let first = signature(of: try TillerFile(path: path))
        #expect(try TillerStore.add(first, in: path).isEmpty)
        // The same key signs again: one signature stays.
        #expect(try TillerStore.add(first, in: path).isEmpty)
        #expect(try TillerFile(path: path).signatures.map(\.signature) == [first])
        // Somebody else signs a file that is no longer the first's.
        try TillerProfileStore.rename("calm", to: "quiet", in: path)
        #expect(throws: FileError.self) { try TillerStore.add(first, in: path) }
        let sections = try TillerFile(path: path).signableSections
        let second = Signature(
            signer: "Bob", publicKey: [UInt8](repeating: 8, count: 32), scope: .file, date: 2,
            sections: sections
        ).signed([UInt8](repeating: 9, count: 64))
        #expect(try TillerStore.add(second, in: path) == [first])
        #expect(try TillerFile(path: path).signatures.map(\.signature) == [second])
    }
}
