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

    /// Writes "header" last, as formats do, in pieces.
    private func writeSample(replaceExisting: Bool = true, fault: SimulatedFault? = nil) throws(FileError) {
        let writer = try AtomicFileWriter(path: folder / "a", replaceExisting: replaceExisting, fault: fault)
        try writer.write([0, 0, 0])
        for piece in 0..<4 { try writer.write([UInt8](repeating: UInt8(piece), count: 10)) }
        try writer.write([1, 2, 3], at: 0)
        try writer.commit()
    }

    private var sample: [UInt8] { [1, 2, 3] + (0..<4).flatMap { [UInt8](repeating: $0, count: 10) } }

    @Test func aCommittedFileHasItsContentAndNothingElseIsLeft() throws {
        let writer = try AtomicFileWriter(path: folder / "a", replaceExisting: false)
        try writer.write([0, 0, 5, 6])
        #expect(writer.byteOffset == 4)
        #expect(folder.names == ["a.partial"])
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

    @Test func withoutACommitNothingIsLeft() throws {
        do {
            let writer = try AtomicFileWriter(path: folder / "a", replaceExisting: false)
            try writer.write([1])
        }
        #expect(folder.names == [])
        let writer = try AtomicFileWriter(path: folder / "a", replaceExisting: false)
        writer.cancel()
        #expect(folder.names == [])
    }

    @Test func anExistingFileIsOnlyReplacedWhereThatIsAllowed() throws {
        folder.write([7], to: "a")
        #expect(throws: FileError(path: folder / "a", operation: .create, code: EEXIST)) {
            try AtomicFileWriter(path: folder / "a", replaceExisting: false)
        }
        #expect(folder.names == ["a"])
        try writeSample()
        #expect(try content("a") == sample)
    }

    @Test func aFileThatAppearsMeanwhileIsNotReplaced() throws {
        let writer = try AtomicFileWriter(path: folder / "a", replaceExisting: false)
        folder.write([7], to: "a")
        #expect { try writer.commit() } throws: { ($0 as? FileError)?.code == EEXIST }
        writer.cancel()
        #expect(try content("a") == [7])
        #expect(folder.names == ["a"])
    }

    @Test func twoWritersDoNotCollide() throws {
        let first = try AtomicFileWriter(path: folder / "a", replaceExisting: true)
        #expect { try AtomicFileWriter(path: folder / "a", replaceExisting: true) } throws: {
            ($0 as? FileError)?.code == EWOULDBLOCK && ($0 as? FileError)?.operation == .lock
        }
        try first.write([1])
        try first.commit()
        #expect(try content("a") == [1])
        try writeSample()
    }

    @Test func whatADeadWriterLeftIsTakenOver() throws {
        folder.write([UInt8](repeating: 9, count: 500), to: "a.partial")
        try writeSample()
        #expect(try content("a") == sample)
        #expect(folder.names == ["a"])
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

    @Test func aFullDiskIsNamedAndLeavesTheOldFile() {
        folder.write([7], to: "a")
        for limit in 0..<sample.count + 3 {
            #expect {
                try writeSample(fault: .diskFull(afterByteCount: limit))
            } throws: { error in
                let error = error as? FileError
                return error?.code == ENOSPC && error?.advice.contains("more bytes") == true
            }
            #expect(folder.names == ["a"])
            #expect((try? content("a")) == [7])
        }
    }

    @Test func aDeathAtAnyByteLeavesTheOldFile() throws {
        for limit in 0..<sample.count + 3 {
            folder.write([7], to: "a")
            #expect(throws: FileError.self) { try writeSample(fault: .crash(afterByteCount: limit)) }
            #expect(folder.names == ["a", "a.partial"])
            #expect(try content("a") == [7])
            try writeSample()
            #expect(try content("a") == sample)
        }
    }

    @Test func aDeathBeforeAnyOperationLeavesTheOldOrTheNewFile() throws {
        // Truncation, the writes of one block and of the header, flush, rename, flush of the folder.
        let operationCount = 6
        for operation in 0..<operationCount {
            folder.write([7], to: "a")
            #expect(throws: FileError.self) { try writeSample(fault: .crashBefore(operation: operation)) }
            #expect(try content("a") == (operation == operationCount - 1 ? sample : [7]))
            try writeSample(fault: .crashBefore(operation: operationCount))
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
