// SPDX-License-Identifier: Apache-2.0
// Files that arrive in pieces: what has arrived is kept, what belongs to another content is not.

import Glibc
import Platform
import Testing

struct ResumableFileTests {
    private let folder = TemporaryFolder()
    private let content = (0..<25).map { UInt8($0) }

    private func open(
        identity: UInt8 = 1, byteCount: Int = 25, pieceByteCount: Int = 10
    ) throws -> ResumableFile {
        try ResumableFile(
            path: folder.path + "/file", byteCount: byteCount, pieceByteCount: pieceByteCount,
            identity: [UInt8](repeating: identity, count: 32))
    }

    private func write(_ range: Range<Int>, to file: ResumableFile) throws {
        try content.withUnsafeBytes {
            try file.write(UnsafeRawBufferPointer(rebasing: $0[range]), at: range.lowerBound)
        }
    }

    private var names: [String] { Folder.names(in: folder.path) }

    @Test func piecesArriveInAnyOrderAndOverSeveralRuns() throws {
        do {
            let file = try open()
            #expect(file.missing == [0..<10, 10..<20, 20..<25])
            try write(20..<25, to: file)
            try file.complete(20..<25)
            // A piece is complete as a whole or not at all.
            try write(0..<9, to: file)
            try file.complete(0..<9)
        }
        #expect(names == ["file.part"])
        let file = try open()
        #expect(file.missing == [0..<10, 10..<20])
        try write(0..<20, to: file)
        try file.complete(0..<25)
        #expect(file.missing.isEmpty)
        do {
            let mapped = try file.map()
            #expect(withExtendedLifetime(mapped) { Array(mapped.bytes.prefix(25)) } == content)
        }
        try file.commit()
        #expect(names == ["file"])
        #expect(try readFile(path: folder.path + "/file", limit: 100) == content)
    }

    @Test func anotherContentBeginsAnew() throws {
        for (identity, byteCount) in [(UInt8(2), 25), (1, 24), (1, 35)] {
            do {
                let file = try open()
                try write(0..<25, to: file)
                try file.complete(0..<25)
                #expect(file.missing.isEmpty)
            }
            let other = try open(identity: identity, byteCount: byteCount)
            #expect(other.missing.reduce(0) { $0 + $1.count } == byteCount)
            other.discard()
            #expect(names.isEmpty)
        }
    }

    @Test func anEmptyFileLacksNothing() throws {
        let file = try open(byteCount: 0)
        #expect(file.missing.isEmpty)
        try file.commit()
        #expect(try readFile(path: folder.path + "/file", limit: 100).isEmpty)
    }

    @Test func oneProcessReceivesAFileAtATime() throws {
        let file = try open()
        let error = #expect(throws: FileError.self) { try open() }
        #expect(error?.operation == .lock)
        file.discard()
    }

    @Test func moreThanTheDiskHoldsIsRefusedAtOnce() {
        let error = #expect(throws: FileError.self) { try open(byteCount: 1 << 44, pieceByteCount: 1 << 24) }
        #expect(error?.code == ENOSPC && error?.advice.contains("are free") == true)
        #expect(names.isEmpty)
    }

    @Test func foldersAreMadeListedAndRemoved() throws {
        let deep = folder.path + "/a/b/c"
        try Folder.create(deep)
        try Folder.create(deep)
        #expect(Folder.exists(deep) && Folder.names(in: folder.path + "/a/b") == ["c"])
        #expect(symlink(folder.path, deep + "/link") == 0)
        try AtomicFileWriter.write(
            [UInt8](repeating: 1, count: 100_000), to: folder.path + "/kept", replaceExisting: false)
        #expect(throws: FileError.self) { try Folder.create(folder.path + "/kept/x") }
        try Folder.remove(folder.path + "/a")
        // A link goes, what it leads to stays.
        #expect(names == ["kept"])
        #expect(Folder.storedByteCount(folder.path) >= 100_000)
    }
}
