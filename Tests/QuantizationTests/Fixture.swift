// SPDX-License-Identifier: Apache-2.0
// Files of Tests/Fixtures/quantization, and arrays that tests hand to pointer functions.

import Glibc

enum Fixture {
    /// The bytes of a fixture file, or nil when it cannot be read.
    static func bytes(_ name: String, testFile: String = #filePath) -> [UInt8]? {
        let folder = testFile.split(separator: "/").dropLast(2).joined(separator: "/")
        guard let file = fopen("/\(folder)/Fixtures/quantization/\(name)", "rb") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes[..<count])
    }

    /// Little-endian Float32 bit patterns.
    static func words(_ bytes: [UInt8]) -> [UInt32] {
        stride(from: 0, to: bytes.count, by: 4).map { offset in
            (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
        }
    }
}
