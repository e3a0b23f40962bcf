// SPDX-License-Identifier: Apache-2.0
// Whole files appear or do not; also when the disk is full, and when the writer dies at any point.

import Glibc
import Platform
import Testing

@Suite struct AtomicFileWriterTests {
    let folder = TemporaryFolder()

    private func content(_ name: String) throws -> [UInt8] {
        try readFile(path: folder / name, limit: 1 << 20)
    }

    /// A writer of "a", whose file has a name meanwhile or none.
    private func writer(
        _ isNamed: Bool, replaceExisting: Bool = false, fault: SimulatedFault? = nil
    ) throws(FileError) -> AtomicFileWriter {
        try AtomicFileWriter(
            path: folder / "a", replaceExisting: replaceExisting, isNamed: isNamed, fault: fault)
    }

    /// Writes "header" last, as formats do, in pieces.
    private func writeSample(
        _ isNamed: Bool, replaceExisting: Bool = true, fault: SimulatedFault? = nil
    ) throws(FileError) {
        let writer = try writer(isNamed, replaceExisting: replaceExisting, fault: fault)
        try writer.write([0, 0, 0])
        for piece in 0..<4 { try writer.write([UInt8](repeating: UInt8(piece), count: 10)) }
        try writer.write([1, 2, 3], at: 0)
        try writer.commit()
    }

    private var sample: [UInt8] { [1, 2, 3] + (0..<4).flatMap { [UInt8](repeating: $0, count: 10) } }

    /// A name that a writer of `path` may take, and another one each time.
    private func partialName(of name: String) -> String { "\(name).\(digits(16)).partial" }

    private func digits(_ count: Int) -> String {
        String((0..<count).compactMap { _ in "0123456789abcdef".randomElement() })
    }

    @Test(arguments: [false, true])
    func aCommittedFileHasItsContentAndNothingElseIsLeft(isNamed: Bool) throws {
        let writer = try writer(isNamed)
        try writer.write([0, 0, 5, 6])
        #expect(writer.byteOffset == 4)
        let pattern = /a\.[0-9a-f]{16}\.partial/
        #expect(folder.names.count == (isNamed ? 1 : 0))
        #expect(try folder.names.allSatisfy { try pattern.wholeMatch(in: $0) != nil })
        try writer.write([9], at: 1)
        try writer.write([])
        #expect(writer.byteOffset == 4)
        try writer.commit()
        #expect(folder.names == ["a"])
        #expect(try content("a") == [0, 9, 5, 6])
    }

    @Test func piecesOfAnySizeLieInOrder() throws {
        // Blocks of 2 MiB are written; pieces begin and end within them, on their edges and across several.
        let sizes = [1, 700_001, (2 << 20) - 700_002, 2 << 20, (4 << 20) + 3, 0, 5]
        let bytes = (0..<sizes.reduce(0, +)).map { UInt8(truncatingIfNeeded: $0 * 31 >> 7) }
        let writer = try AtomicFileWriter(path: folder / "a", replaceExisting: false)
        var start = 0
        for size in sizes {
            try writer.write([UInt8](bytes[start..<start + size]))
            start += size
            #expect(writer.byteOffset == start)
            // What is written in between at a place of its own must not move what follows.
            try writer.write([bytes[start - 1]], at: start - 1)
        }
        try writer.commit()
        #expect(try readFile(path: folder / "a", limit: 16 << 20) == bytes)
    }

    @Test(arguments: [false, true])
    func withoutACommitNothingIsLeft(isNamed: Bool) throws {
        do {
            let writer = try writer(isNamed)
            try writer.write([1])
        }
        #expect(folder.names == [])
        let writer = try writer(isNamed)
        writer.cancel()
        #expect(folder.names == [])
    }

    @Test(arguments: [false, true])
    func anExistingFileIsOnlyReplacedWhereThatIsAllowed(isNamed: Bool) throws {
        folder.write([7], to: "a")
        #expect(throws: FileError(path: folder / "a", operation: .create, code: EEXIST)) {
            try writer(isNamed)
        }
        #expect(folder.names == ["a"])
        try writeSample(isNamed)
        #expect(folder.names == ["a"])
        #expect(try content("a") == sample)
    }

    @Test(arguments: [false, true])
    func aLinkIsReplacedAndNotWhatItLeadsTo(isNamed: Bool) throws {
        folder.write([7], to: "b")
        for target in ["b", "nowhere"] {
            unlink(folder / "a")
            try #require(symlink(target, folder / "a") == 0)
            try writeSample(isNamed)
            var status = stat()
            try #require(lstat(folder / "a", &status) == 0)
            #expect(status.st_mode & S_IFMT == S_IFREG)
            #expect(try content("a") == sample)
            #expect(try content("b") == [7])
            #expect(folder.names == ["a", "b"])
        }
    }

    @Test(arguments: [false, true])
    func aFileThatAppearsMeanwhileIsNotReplaced(isNamed: Bool) throws {
        let writer = try writer(isNamed)
        folder.write([7], to: "a")
        #expect { try writer.commit() } throws: { ($0 as? FileError)?.code == EEXIST }
        writer.cancel()
        #expect(try content("a") == [7])
        #expect(folder.names == ["a"])
    }

    @Test(arguments: [false, true])
    func writersOfOnePathDoNotMeet(isNamed: Bool) throws {
        let writers = try (0..<4).map { _ in try writer(isNamed, replaceExisting: true) }
        for (index, writer) in writers.enumerated() { try writer.write([UInt8(index)]) }
        for (index, writer) in writers.enumerated() {
            try writer.commit()
            #expect(try content("a") == [UInt8(index)])
        }
        #expect(folder.names == ["a"])
    }

    @Test(arguments: [false, true])
    func theFirstOfTwoWritersThatReplaceNothingWins(isNamed: Bool) throws {
        let (first, second) = (try writer(isNamed), try writer(isNamed))
        try first.write([1])
        try second.write([2])
        try second.commit()
        #expect(throws: FileError(path: folder / "a", operation: .create, code: EEXIST)) {
            try first.commit()
        }
        first.cancel()
        #expect(try content("a") == [2])
        #expect(folder.names == ["a"])
    }

    @Test(arguments: [false, true])
    func onlyWhatADeadWriterLeftIsRemoved(isNamed: Bool) throws {
        let living = try AtomicFileWriter(path: folder / "a", replaceExisting: true, isNamed: true)
        let kept = folder.names
        // Of other files, or of no writer at all.
        var others = [
            "a.partial", partialName(of: "b"), "a.\(digits(15)).partial", "a.\(digits(17)).partial",
        ]
        others += ["a.\(digits(16)).partia", "a.\(digits(15))g.partial", "a\(digits(16)).partial"]
        for name in others + [partialName(of: "a"), partialName(of: "a")] { folder.write([9], to: name) }
        // A link is not followed, and a pipe not waited for.
        let (link, pipe) = (partialName(of: "a"), partialName(of: "a"))
        try #require(symlink(partialName(of: "b"), folder / link) == 0)
        try #require(mkfifo(folder / pipe, 0o600) == 0)
        try writeSample(isNamed)
        #expect(folder.names == (["a"] + others + kept + [link, pipe]).sorted())
        try living.write([1])
        try living.commit()
        #expect(try content("a") == [1])
    }

    @Test(arguments: [false, true])
    func theLongestNamesCanBeReplaced(isNamed: Bool) throws {
        for name in [String(repeating: "n", count: 255), String(repeating: "ä", count: 127)] {
            for content: UInt8 in [1, 2] {
                let writer = try AtomicFileWriter(
                    path: folder / name, replaceExisting: true, isNamed: isNamed)
                try writer.write([content])
                try writer.commit()
                #expect(try self.content(name) == [content])
            }
            #expect(folder.names == [name])
            unlink(folder / name)
        }
    }

    @Test(arguments: [false, true])
    func aFileCanBeTriedAndChangedBeforeItHasItsName(isNamed: Bool) throws {
        let writer = try writer(isNamed)
        try writer.write([1, 2, 3, 4])
        let mapped = try writer.map()
        #expect(mapped.bytes.elementsEqual([1, 2, 3, 4]))
        try writer.rewind(to: 2)
        try writer.write([9])
        #expect(writer.byteOffset == 3)
        try writer.commit()
        #expect(try content("a") == [1, 2, 9])
        // The lock has ended, though the mapping lives and the writer too.
        try AppendFile(path: folder / "a").close()
        #expect(mapped.bytes[0] == 1 && writer.byteOffset == 3)
    }

    @Test(arguments: [false, true])
    func whatWasMappedOutlivesAFileThatNeverHadAName(isNamed: Bool) throws {
        var writer: AtomicFileWriter? = try writer(isNamed)
        try writer?.write([1, 2, 3])
        let mapped = try writer?.map()
        writer = nil
        #expect(folder.names == [])
        #expect(mapped?.bytes.elementsEqual([1, 2, 3]) == true)
    }

    @Test func theUsersMaskAndTheWritersWishesDecideWhoMayReadIt() async {
        await #expect(processExitsWith: .success) {
            umask(0o027)
            for isNamed in [false, true] {
                let folder = TemporaryFolder()
                for (wish, mode) in [("none", 0o640), ("private", 0o600), ("executable", 0o750)] {
                    let writer = try AtomicFileWriter(
                        path: folder / wish, replaceExisting: false, isNamed: isNamed)
                    if wish == "private" { try writer.keepPrivate() }
                    if wish == "executable" { try writer.allowExecution() }
                    try writer.commit()
                    var status = stat()
                    try #require(stat(folder / wish, &status) == 0)
                    try #require(status.st_mode & 0o777 == mode_t(mode))
                }
            }
        }
    }

    @Test func placesWhereNoFileCanBeAreRefused() {
        #expect(throws: FileError.self) { try AtomicFileWriter(path: "", replaceExisting: true) }
        #expect(throws: FileError.self) {
            try AtomicFileWriter(path: folder.path + "/", replaceExisting: true)
        }
        #expect { try AtomicFileWriter(path: folder.path, replaceExisting: true) } throws: {
            ($0 as? FileError)?.code == EISDIR
        }
        #expect(throws: FileError.self) { try AtomicFileWriter(path: "/dev/null", replaceExisting: true) }
        #expect { try AtomicFileWriter(path: folder / "no/a", replaceExisting: true) } throws: {
            ($0 as? FileError)?.code == ENOENT
        }
    }

    @Test(arguments: [false, true])
    func aFullDiskIsNamedAndLeavesTheOldFile(isNamed: Bool) {
        folder.write([7], to: "a")
        for limit in 0..<sample.count + 3 {
            #expect {
                try writeSample(isNamed, fault: .diskFull(afterByteCount: limit))
            } throws: { error in
                let error = error as? FileError
                return error?.code == ENOSPC && error?.advice.contains("more bytes") == true
            }
            #expect(folder.names == ["a"])
            #expect((try? content("a")) == [7])
        }
    }

    @Test(arguments: [false, true])
    func aDeathAtAnyByteLeavesTheOldFile(isNamed: Bool) throws {
        for limit in 0..<sample.count + 3 {
            folder.write([7], to: "a")
            #expect(throws: FileError.self) {
                try writeSample(isNamed, fault: .crash(afterByteCount: limit))
            }
            #expect(folder.names.count == (isNamed ? 2 : 1))
            #expect(try content("a") == [7])
            try writeSample(isNamed)
            #expect(try content("a") == sample)
            #expect(folder.names == ["a"])
        }
    }

    @Test(arguments: [false, true])
    func aDeathBeforeAnyOperationLeavesTheOldOrTheNewFile(isNamed: Bool) throws {
        // The writes of one block and of the header, flush, rename, flush of the folder.
        let operationCount = 5
        for operation in 0..<operationCount {
            folder.write([7], to: "a")
            #expect(throws: FileError.self) {
                try writeSample(isNamed, fault: .crashBefore(operation: operation))
            }
            #expect(try content("a") == (operation == operationCount - 1 ? sample : [7]))
            try writeSample(isNamed, fault: .crashBefore(operation: operationCount))
            #expect(try content("a") == sample)
        }
    }

    @Test func aCommitWithoutALinkToTheParentWorksInTheCurrentFolder() async {
        await #expect(processExitsWith: .success) {
            let folder = TemporaryFolder()
            try #require(chdir(folder.path) == 0)
            let writer = try AtomicFileWriter(path: "a", replaceExisting: false)
            try writer.write([1])
            try writer.commit()
            try #require(folder.names == ["a"])
        }
    }

    /// The system's own errors, not simulated ones: /dev/full exists for this, but is no regular file.
    @Test func aLimitOfTheSystemIsReported() async {
        await #expect(processExitsWith: .success) {
            let folder = TemporaryFolder()
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 100, rlim_max: 100)
            try #require(setrlimit(__rlimit_resource_t(1), &limit) == 0)  // RLIMIT_FSIZE
            let writer = try AtomicFileWriter(path: folder / "a", replaceExisting: false)
            var code: Int32 = 0
            do {
                try writer.write([UInt8](repeating: 1, count: 150))
                try writer.commit()
            } catch {
                code = (error as? FileError)?.code ?? 0
            }
            try #require(code == EFBIG)
            writer.cancel()
            try #require(folder.names == [])
        }
    }
}
