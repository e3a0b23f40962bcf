// SPDX-License-Identifier: Apache-2.0
// Small files, files without a size, and files that are too large.

import Glibc
import Platform
import Testing

@Suite struct ReadFileTests {
    let folder = TemporaryFolder()

    @Test(arguments: [0, 1, 4096, 70_000])
    func aFileIsReadWhole(count: Int) throws {
        let content = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        folder.write(content, to: "a")
        #expect(try readFile(path: folder / "a", limit: count) == content)
    }

    @Test func filesOfTheSystemHaveNoSizeButContent() throws {
        #expect(try !readFile(path: "/proc/self/status", limit: 1 << 20).isEmpty)
    }

    @Test func theLimitHolds() {
        folder.write([1, 2, 3], to: "a")
        #expect { try readFile(path: folder / "a", limit: 2) } throws: { ($0 as? FileError)?.code == EFBIG }
        #expect { try readFile(path: folder.path, limit: 10) } throws: { ($0 as? FileError)?.code == EISDIR }
    }

    @Test(arguments: [(60_000, nil), (59_999, EFBIG)] as [(Int, Int32?)])
    func aPipeIsReadToItsEndOrToTheLimit(limit: Int, code: Int32?) {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        defer { close(ends[0]) }
        // Fewer bytes than a pipe holds.
        #expect(write(ends[1], [UInt8](repeating: 7, count: 60_000), 60_000) == 60_000)
        close(ends[1])
        var found: (count: Int?, code: Int32?)
        do { found.count = try readFile(path: "/dev/fd/\(ends[0])", limit: limit).count } catch {
            found.code = error.code
        }
        #expect(found.count == (code == nil ? 60_000 : nil) && found.code == code)
    }

    /// Most have no end, whatever the limit: `/dev/zero` would give a gigabyte of zeros first.
    @Test(arguments: ["/dev/zero", "/dev/full", "/dev/urandom"])
    func devicesAreRefused(path: String) {
        #expect { try readFile(path: path, limit: 1 << 40) } throws: { error in
            (error as? FileError)?.code == ESPIPE && "\(error)".contains("device")
        }
    }

    @Test func theEmptyDeviceIsEmpty() throws {
        #expect(try readFile(path: "/dev/null", limit: 10) == [])
    }

    @Test func aFileThatIsTooLargeIsNotRead() {
        // A hole of 2⁴⁰ bytes, which no memory would hold.
        folder.write([1], to: "a")
        truncate(folder / "a", 1 << 40)
        #expect { try readFile(path: folder / "a", limit: 1 << 39) } throws: {
            ($0 as? FileError)?.code == EFBIG
        }
    }
}
