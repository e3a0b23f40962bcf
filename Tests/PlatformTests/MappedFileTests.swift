// SPDX-License-Identifier: Apache-2.0
// Mapping files of awkward sizes, and everything that is not a file.

import Glibc
import Platform
import Testing

@Suite struct MappedFileTests {
    let folder = TemporaryFolder()

    @Test(arguments: [1, 4095, 4096, 4097, 100_000])
    func aMappedFileHasTheBytesOfTheFile(count: Int) throws {
        let content = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        folder.write(content, to: "a")
        let file = try MappedFile(path: folder / "a")
        #expect(file.path == folder / "a")
        #expect(file.bytes.elementsEqual(content))
        for advice: MappedFile.Advice in [.sequential, .willNeed, .dontNeed] {
            file.advise(advice)
            file.advise(advice, range: count / 3..<count)
            file.advise(advice, range: 0..<0)
        }
        #expect(file.bytes.elementsEqual(content))
    }

    @Test(arguments: [1, 4097, LargePage.byteCount - 1, LargePage.byteCount, 3 * LargePage.byteCount + 5])
    func mappingInLargePagesKeepsTheBytes(count: Int) throws {
        let content = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 5) }
        folder.write(content, to: "a")
        let file = try MappedFile(path: folder / "a")
        file.mapInLargePages(0..<count)
        file.mapInLargePages(count / 2..<count)
        file.mapInLargePages(count..<count)
        #expect(file.bytes.elementsEqual(content))
    }

    @Test func anEmptyFileIsAnEmptyMapping() throws {
        folder.write([], to: "empty")
        let file = try MappedFile(path: folder / "empty")
        #expect(file.bytes.isEmpty)
        file.advise(.willNeed)
    }

    @Test func anOpenFileCanBeMappedAndStaysOpen() throws {
        folder.write([1, 2, 3], to: "a")
        let descriptor = open(folder / "a", O_RDONLY)
        defer { close(descriptor) }
        let file = try MappedFile(fileDescriptor: descriptor, path: "given")
        #expect(file.bytes.elementsEqual([1, 2, 3]))
        #expect(lseek(descriptor, 0, SEEK_END) == 3)
    }

    @Test func whatIsNotAFileIsRefused() {
        #expect(throws: FileError(path: folder.path, operation: .map, code: EISDIR)) {
            try MappedFile(path: folder.path)
        }
        #expect(throws: FileError(path: folder / "none", operation: .open, code: ENOENT)) {
            try MappedFile(path: folder / "none")
        }
        mkfifo(folder / "pipe", 0o600)
        #expect { try MappedFile(path: folder / "pipe") } throws: { ($0 as? FileError)?.code == ESPIPE }
        #expect { try MappedFile(path: "/dev/null") } throws: { ($0 as? FileError)?.code == ESPIPE }
        #expect(throws: FileError(path: "closed", operation: .map, code: EBADF)) {
            try MappedFile(fileDescriptor: -1, path: "closed")
        }
        #expect { try MappedFile(path: "a\0b") } throws: { ($0 as? FileError)?.code == EINVAL }
    }

    @Test func anErrorIsOneLineWithPathReasonAndAdvice() {
        let error = FileError(path: "m.gguf", operation: .open, code: ENOENT)
        #expect("\(error)" == "m.gguf: cannot open: No such file or directory (check the path)")
    }

    @Test func adviceBeyondTheFileTraps() async {
        await #expect(processExitsWith: .failure) {
            let file = try MappedFile(path: "/proc/self/exe")
            file.advise(.willNeed, range: 0..<(file.bytes.count + 1))
        }
    }
}
