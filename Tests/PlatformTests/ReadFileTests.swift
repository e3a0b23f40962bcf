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
        #expect { try readFile(path: "/dev/zero", limit: 10_000) } throws: {
            ($0 as? FileError)?.code == EFBIG
        }
        #expect { try readFile(path: folder.path, limit: 10) } throws: { ($0 as? FileError)?.code == EISDIR }
    }
}
