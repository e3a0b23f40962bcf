// SPDX-License-Identifier: Apache-2.0
// What the commands refuse before they begin, and what programs look like to them.

import Commands
import Platform
import TestSupport
import Testing

@Suite struct MemoryRefusalTests {
    @Test func whatFitsIsNotRefused() {
        #expect(
            memoryRefusal(
                "m", needed: 100, available: 100, context: 4096, fittingContext: nil, fittingResident: nil)
                == nil)
    }

    @Test func whatDoesNotFitIsRefusedWithAWayOut() throws {
        let shorter = try #require(
            memoryRefusal(
                "big.tiller", needed: 3_000_000_000, available: 1_500_000_000, context: 8192,
                fittingContext: 1024, fittingResident: 900))
        for word in ["big.tiller", "8192", "3.00 GB", "1.50 GB", "--context 1024 fits", "--overcommit"] {
            #expect(shorter.contains(word), "\(shorter)")
        }
        let none = try #require(
            memoryRefusal(
                "big.tiller", needed: 2, available: 1, context: 512, fittingContext: nil, fittingResident: nil
            ))
        #expect(none.contains("smaller model") && !none.contains("--context"))
        let passing = try #require(
            memoryRefusal(
                "big.tiller", needed: 2, available: 1, context: 512, fittingContext: nil, fittingResident: 750
            ))
        #expect(passing.contains("--resident 750 fits") && !passing.contains("smaller model"))
    }
}

@Suite struct ProgramFileTests {
    private let folder = TemporaryFolder()

    private func kind(_ bytes: [UInt8]) throws -> OwnBundle.ProgramKind {
        let file = try AtomicFileWriter(path: "\(folder.path)/program", replaceExisting: true)
        try file.write(bytes)
        try file.commit()
        return OwnBundle.kind(of: try MappedFile(path: "\(folder.path)/program"))
    }

    @Test func aProgramIsRecognized() throws {
        let own = try readFile(path: "/proc/self/exe", limit: 1 << 30)
        // The tests themselves need shared libraries.
        #expect(try kind(own) == .dynamic)
        #expect(try kind(own + [0]) == .other, "something stands behind it")
        #expect(try kind(Array(own.dropLast())) == .other)
        #expect(try kind([]) == .other && kind(Array("#!/bin/sh\n".utf8)) == .other)
    }

    @Test func mutatedHeadersDoNotCrash() throws {
        let own = Array(try readFile(path: "/proc/self/exe", limit: 1 << 30).prefix(4096))
        var random = SeededGenerator(seed: 3)
        for _ in 0..<100 {
            var mutated = own
            for _ in 0..<4 {
                mutated[Int.random(in: 0..<64, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try kind(mutated)
        }
    }
}
