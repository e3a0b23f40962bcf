// SPDX-License-Identifier: Apache-2.0
// Files with holes: small on the disk, and as long as they say.

import Formats
import Glibc
import Testing

@Suite struct SparseFileTests {
    let folder = TemporaryFolder()

    /// A GGUF file of arrays of zeros, each of 2²⁴ numbers of 8 bytes, which lie in holes.
    private func writeArrays(count: Int) throws -> String {
        let path = folder.path + "/sparse.gguf"
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer { close(file) }
        var raw = RawBytes()
        "GGUF".utf8.forEach { raw.u8($0) }
        raw.u32(3)
        raw.u64(0)
        raw.u64(UInt64(count))
        for index in 0..<count {
            raw.string("k\(index)")
            raw.u32(9)
            raw.u32(10)
            raw.u64(1 << 24)
            #expect(write(file, raw.bytes, raw.bytes.count) == raw.bytes.count)
            raw.bytes = []
            lseek(file, 8 << 24, SEEK_CUR)
        }
        ftruncate(file, lseek(file, 0, SEEK_CUR))
        return path
    }

    @Test func metadataEndsBeforeALimit() throws {
        #expect(try GGUFFile(path: writeArrays(count: 1)).metadata["k0"]?.arrayCount == 1 << 24)
        // The second array ends some bytes after 256 MiB.
        #expect {
            try GGUFFile(path: writeArrays(count: 2))
        } throws: { error in
            let error = error as? FormatError
            return error?.rule == .ggufMetadataCount && error?.found.contains("\(256 << 20)") == true
        }
    }
}
