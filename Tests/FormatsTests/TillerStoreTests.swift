// SPDX-License-Identifier: Apache-2.0
// Appends: what was there stays, also when the writer dies between any two bytes, and when two write at once.

import Formats
import Glibc
import JSON
import Platform
import Steering
import Testing

struct TillerStoreTests {
    let folder = TemporaryFolder()

    @Test func profilesAreAddedReplacedRenamedAndRemoved() throws {
        let path = folder.file("m.tiller", try TinyModel.bytes(profiles: []))
        let weights = Array(try TillerFile(path: path).weightsView)
        try TillerProfileStore.add(TinyModel.profile("a"), in: path)
        try TillerProfileStore.add(TinyModel.profile("b", seed: 2), in: path)
        try TillerProfileStore.rename("a", to: "c", in: path)
        try TillerProfileStore.add(TinyModel.profile("b", seed: 3), in: path, replacesExisting: true)
        var file = try TillerFile(path: path)
        #expect(file.generation == 5 && file.profiles.map(\.name) == ["c", "b"])
        #expect(try file.profile(named: "b") == TinyModel.profile("b", seed: 3))
        #expect(try file.profile(named: "c") == TinyModel.profile("c"))

        try TillerProfileStore.remove("c", in: path)
        file = try TillerFile(path: path)
        #expect(file.profiles.map(\.name) == ["b"] && file.tornByteCount == 0)
        #expect(Array(file.weightsView) == weights && file.manifest == TinyModel.manifest)
        #expect(try file.verify())
    }

    @Test func whatDoesNotFitIsRefusedAndNothingIsWritten() throws {
        let bytes = try TinyModel.bytes()
        let path = folder.file("m.tiller", bytes)
        var other = TinyModel.profile("other")
        other.sourceHash = SHA256.digest(of: "another model".utf8)
        var wide = TinyModel.profile("wide")
        wide.hiddenSize = 16
        wide.vectors = [[Float](repeating: 0.25, count: 16), [Float](repeating: 0.25, count: 16)]
        var broken = TinyModel.profile("broken")
        broken.vectors[0][3] = .nan

        let attempts: [(FormatRule, () throws -> Void)] = [
            (.tillerDuplicateProfile, { try TillerProfileStore.add(TinyModel.profile("calm"), in: path) }),
            (.tillerProfileSource, { try TillerProfileStore.add(other, in: path) }),
            (.tillerProfileShape, { try TillerProfileStore.add(wide, in: path, acceptsOtherSource: true) }),
            (.tillerProfileVectors, { try TillerProfileStore.add(broken, in: path) }),
            (.tillerProfileName, { try TillerProfileStore.add(TinyModel.profile("a/b"), in: path) }),
            (.tillerProfileName, { try TillerProfileStore.remove("nobody", in: path) }),
            (.tillerProfileName, { try TillerProfileStore.rename("calm", to: "", in: path) }),
        ]
        for (rule, attempt) in attempts {
            let error = #expect(throws: FormatError.self) { try attempt() }
            #expect(error?.rule == rule)
        }
        #expect(folder.read(path) == bytes)
        try TillerProfileStore.add(other, in: path, acceptsOtherSource: true)
        #expect(try TillerFile(path: path).profile(named: "other") == other)
    }

    @Test func severalDozenProfilesFitAndCompactingDropsTheDeadBytes() throws {
        let path = folder.file("m.tiller", try TinyModel.bytes(profiles: []))
        for index in 0..<48 {
            try TillerProfileStore.add(TinyModel.profile("p\(index)", seed: index + 1), in: path)
        }
        for index in stride(from: 0, to: 48, by: 2) { try TillerProfileStore.remove("p\(index)", in: path) }
        let before = try TillerFile(path: path)
        #expect(before.profiles.count == 24 && before.generation == 73)

        try TillerStore.compact(path)
        let after = try TillerFile(path: path)
        #expect(after.profiles.map(\.name) == before.profiles.map(\.name))
        #expect(after.deadByteCount < 4096 && before.deadByteCount > 100_000)
        #expect(after.generation == 74 && after.manifest == before.manifest)
        #expect(Array(after.weightsView) == Array(before.weightsView))
        #expect(try after.verify())
        // The mapping of the replaced file is still whole.
        #expect(try before.verify())
    }

    @Test func aDamagedSectionIsNotCompacted() throws {
        var bytes = try TinyModel.bytes()
        bytes[5000] ^= 1
        let path = folder.file("m.tiller", bytes)
        let error = #expect(throws: FormatError.self) { try TillerStore.compact(path) }
        #expect(error?.rule == .tillerSectionDigest)
        #expect(folder.read(path) == bytes)
    }

    @Test func aWriterThatDiesAtAnyByteLeavesThePreviousState() throws {
        let original = try TinyModel.bytes()
        let path = folder.file("m.tiller", original)
        try TillerProfileStore.add(TinyModel.profile("new"), in: path)
        let addedByteCount = folder.read(path).count - original.count

        // Every byte of the footer and of the table's end, and every 29th elsewhere.
        let tailStart = addedByteCount - 200
        for limit in (0..<addedByteCount).filter({ $0 % 29 == 0 || $0 > tailStart }) {
            let faults = [
                (SimulatedFault.crash(afterByteCount: limit), left: limit),
                (.diskFull(afterByteCount: limit), 0),
            ]
            for (fault, left) in faults {
                folder.write(original, to: path)
                #expect(throws: FileError.self) {
                    try TillerProfileStore.add(TinyModel.profile("new"), in: path, fault: fault)
                }
                let torn = try TillerFile(path: path)
                #expect(torn.generation == 1 && torn.profiles.map(\.name) == ["calm"])
                #expect(torn.tornByteCount == left)

                // The next append succeeds, and leaves nothing unexplained.
                try TillerProfileStore.remove("calm", in: path)
                let file = try TillerFile(path: path)
                #expect(file.generation == 2 && file.profiles.isEmpty && file.tornByteCount == 0)
                #expect(file.manifest == TinyModel.manifest)
            }
        }
    }

    @Test func aWriterThatDiesBetweenItsStepsLeavesOneOfBothStates() throws {
        let original = try TinyModel.bytes()
        let path = folder.file("m.tiller", original)
        var generations: [UInt64] = []
        for operation in 0..<20 {
            folder.write(original, to: path)
            let result = Result {
                try TillerProfileStore.add(
                    TinyModel.profile("new"), in: path, fault: .crashBefore(operation: operation))
            }
            generations.append(try TillerFile(path: path).generation)
            if case .success = result { break }
            try TillerProfileStore.add(TinyModel.profile("again"), in: path)
            #expect(try TillerFile(path: path).profiles.contains { $0.name == "again" })
        }
        // Old states, and new ones only from the footer on.
        #expect(generations == generations.sorted() && generations.first == 1 && generations.last == 2)
    }

    @Test func aTornAppendLongerThanTheNextOneIsCovered() throws {
        let path = folder.file("m.tiller", try TinyModel.bytes() + [UInt8](repeating: 0xA5, count: 100_001))
        #expect(try TillerFile(path: path).tornByteCount == 100_001)
        try TillerProfileStore.remove("calm", in: path)
        let file = try TillerFile(path: path)
        #expect(file.tornByteCount == 0 && file.profiles.isEmpty)
    }

    @Test func aFooterThatIsFarFromTheEndIsNotLookedFor() throws {
        let bytes = try TinyModel.bytes()
        let path = folder.file("m.tiller", bytes + [UInt8](repeating: 0, count: (64 << 20) + 4096))
        let error = #expect(throws: FormatError.self) { try TillerFile(path: path) }
        #expect(error?.rule == .tillerFooter)
    }

    @Test func twoWritersBothSucceedOneAfterTheOther() async throws {
        let path = folder.file("m.tiller", try TinyModel.bytes(profiles: []))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<2 {
                group.addTask {
                    for index in 0..<12 {
                        try TillerProfileStore.add(TinyModel.profile("w\(writer)-\(index)"), in: path)
                        if index % 4 == 3 { try TillerStore.compact(path) }
                    }
                }
            }
            group.addTask {
                for _ in 0..<50 { _ = try TillerFile(path: path).profiles.count }
            }
            try await group.waitForAll()
        }
        let file = try TillerFile(path: path)
        #expect(file.profiles.count == 24 && file.tornByteCount == 0)
        #expect(try file.verify())
    }

    @Test func profilesAreAppendedBehindAnExecutable() throws {
        let program: [UInt8] = [0x7F] + Array("ELF".utf8) + [UInt8](repeating: 3, count: 8188)
        let path = folder.file("run", program + (try TinyModel.bytes()))
        try TillerProfileStore.add(TinyModel.profile("new"), in: path)
        let file = try TillerFile(path: path)
        #expect(file.profiles.map(\.name) == ["calm", "new"] && file.originByteOffset == 8192)
        #expect(folder.read(path)[..<8192].elementsEqual(program))
        #expect(throws: FileError.self) { try TillerStore.compact(path) }
    }

    @Test func filesAppearWholeOrNotAtAll() throws {
        let path = "\(folder.path)/new.tiller"
        func write(_ fault: SimulatedFault?) throws {
            let writer = try TillerFileWriter(path: path, replaceExisting: false, fault: fault)
            for (role, layer, encoding, rows, columns) in TinyModel.tensors() {
                let bytes = [UInt8](
                    repeating: 0, count: encoding.byteCount(rows: rows, columns: columns) ?? 0)
                try bytes.withUnsafeBytes {
                    try writer.appendTensor(
                        role, layer: layer, encoding: encoding, rows: rows, columns: columns, bytes: $0)
                }
            }
            try writer.finish(manifest: TinyModel.manifest)
        }
        for limit in stride(from: 0, to: 20_000, by: 4000) {
            #expect(throws: FileError.self) { try write(.diskFull(afterByteCount: limit)) }
            #expect(access(path, F_OK) != 0)
        }
        try write(nil)
        #expect(try TillerFile(path: path).verify())
        #expect(throws: FileError.self) { try write(nil) }
    }

    @Test func aProfileFileIsWrittenAndRead() throws {
        let profile = TinyModel.profile("calm")
        let path = "\(folder.path)/calm.tillerprofile"
        try TillerProfileFile.write(profile, to: path, replaceExisting: false)
        #expect(try TillerProfileFile.read(path) == profile)
        // Neither kind of file passes for the other.
        #expect(throws: FormatError.self) { try TillerFile(path: path) }
        let model = folder.file("m.tiller", try TinyModel.bytes())
        #expect(throws: FormatError.self) { try TillerProfileFile.read(model) }
    }
}
