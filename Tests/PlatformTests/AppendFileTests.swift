// SPDX-License-Identifier: Apache-2.0
// Updates in place: positions, the lock, and what is left after a fault.

import Glibc
import Platform
import Testing

@Suite struct AppendFileTests {
    let folder = TemporaryFolder()

    private var content: [UInt8]? { try? readFile(path: folder / "a", limit: 1 << 20) }

    @Test func writesGoWhereTheyShould() throws {
        folder.write([1, 2, 3, 4], to: "a")
        let file = try AppendFile(path: folder / "a")
        #expect(file.byteCount == 4)
        try file.write([8, 9], at: 4)
        try file.write([7], at: 1)
        #expect(file.byteCount == 6)
        try file.synchronize()
        #expect(content == [1, 7, 3, 4, 8, 9])
        try file.truncate(to: 2)
        #expect(file.byteCount == 2)
        #expect(content == [1, 7])
    }

    @Test func onlyExistingFilesCanBeUpdated() {
        #expect { try AppendFile(path: folder / "a") } throws: { ($0 as? FileError)?.code == ENOENT }
        #expect { try AppendFile(path: folder.path) } throws: { ($0 as? FileError)?.code == EISDIR }
        #expect { try AppendFile(path: "/dev/null") } throws: { ($0 as? FileError)?.code == ESPIPE }
    }

    @Test func aSecondUpdateIsRefusedWhileTheFirstLasts() throws {
        folder.write([1], to: "a")
        do {
            let first = try AppendFile(path: folder / "a")
            #expect {
                try AppendFile(path: folder / "a")
            } throws: { "\($0)".contains("in use by another process") }
            try first.write([2], at: 1)
        }
        _ = try AppendFile(path: folder / "a")
    }

    @Test func waitingForTheLockFindsTheFileThatIsThereThen() throws {
        folder.write([1], to: "a")
        let pool = ThreadPool(threadCount: 2)
        nonisolated(unsafe) var first: AppendFile? = try AppendFile(path: folder / "a")
        #expect(first?.byteCount == 1)
        nonisolated(unsafe) var found = 0
        let path = folder / "a"
        folder.write([1, 2, 3], to: "b")
        let other = folder / "b"
        pool.run { thread in
            if thread == 0 {
                usleep(20_000)
                rename(other, path)
                first = nil
            } else {
                found = (try? AppendFile(path: path, waitsForLock: true))?.byteCount ?? -1
            }
        }
        #expect(found == 3)
    }

    @Test func aFullDiskStoresAPrefixThatCanBeCutOffAgain() throws {
        for limit in 0..<10 {
            folder.write([1, 2, 3], to: "a")
            let file = try AppendFile(path: folder / "a", fault: .diskFull(afterByteCount: limit))
            #expect { try file.write([UInt8](10..<20), at: 3) } throws: {
                ($0 as? FileError)?.code == ENOSPC
            }
            #expect(content == [1, 2, 3] + [UInt8](10..<20).prefix(limit))
            #expect(file.byteCount == 3 + limit)
            try file.truncate(to: 3)
            #expect(content == [1, 2, 3])
        }
    }

    @Test func afterADeathNothingHappensToTheFile() throws {
        folder.write([1, 2, 3], to: "a")
        let file = try AppendFile(path: folder / "a", fault: .crash(afterByteCount: 2))
        #expect(throws: FileError.self) { try file.write([4, 5, 6], at: 3) }
        #expect(throws: FileError.self) { try file.write([9], at: 0) }
        #expect(throws: FileError.self) { try file.truncate(to: 0) }
        #expect(throws: FileError.self) { try file.synchronize() }
        #expect(content == [1, 2, 3, 4, 5])
    }
}

extension AppendFile {
    fileprivate func write(_ bytes: [UInt8], at byteOffset: Int) throws(FileError) {
        try bytes.withUnsafeBufferPointer { bytes throws(FileError) in
            try write(UnsafeRawBufferPointer(bytes), at: byteOffset)
        }
    }
}
