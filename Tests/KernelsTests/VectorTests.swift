// SPDX-License-Identifier: Apache-2.0
// The same bits on every processor: hashes of what all kernels write, kept in a file. An emulated ARM processor must
// give them too (tools/check/arm).

import KernelVectors
import Kernels
import Platform
import TestSupport
import Testing

@Test(arguments: KernelSet.available)
func everyKernelWritesTheBitsOfAllInstructionSets(kernels: KernelSet) throws {
    let path = "\(packageRoot)/Tests/Fixtures/kernels/hashes.txt"
    let expected = String(decoding: try readFile(path: path, limit: 1 << 16), as: UTF8.self)
    var found = ""
    // Line by line first: of a text, a failure shows the first line alone.
    var lines = expected.split(separator: "\n").makeIterator()
    KernelVectors(kernels.table).run { name, hash in
        let digits = String(hash, radix: 16)
        let line = "\(name) \(String(repeating: "0", count: 16 - digits.count))\(digits)"
        #expect(line == lines.next() ?? "", "\(kernels.name); see Tests/Fixtures/kernels/README.md")
        found += line + "\n"
    }
    #expect(found == expected, "\(kernels.name); see Tests/Fixtures/kernels/README.md")
}
