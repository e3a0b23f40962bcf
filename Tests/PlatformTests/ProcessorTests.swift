// SPDX-License-Identifier: Apache-2.0
// Counting cores from good, odd and missing answers of the system; features; memory; time.

import Glibc
import Platform
import Testing

@Suite struct ProcessorTests {
    @Test func siblingsShareACore() {
        let count = Processor.physicalCoreCount(
            processors: Array(0..<8), siblings: { "\($0 % 4),\($0 % 4 + 4)\n" }, quota: nil)
        #expect(count == 4)
        // Of the first core only one thread is allowed.
        let pairs = { (processor: Int) in "\(processor / 2 * 2)-\(processor / 2 * 2 + 1)\n" }
        #expect(Processor.physicalCoreCount(processors: [1, 2, 3], siblings: pairs, quota: nil) == 2)
    }

    @Test func withoutTopologyEveryProcessorIsACore() {
        #expect(Processor.physicalCoreCount(processors: [0, 1, 5], siblings: { _ in nil }, quota: nil) == 3)
        #expect(Processor.physicalCoreCount(processors: [], siblings: { _ in nil }, quota: nil) == 1)
    }

    @Test func aQuotaIsRoundedUpToThreads() {
        let count = {
            Processor.physicalCoreCount(processors: Array(0..<8), siblings: { _ in nil }, quota: $0)
        }
        #expect(count(0.2) == 1)
        #expect(count(1) == 1)
        #expect(count(2.5) == 3)
        #expect(count(64) == 8)
        #expect(count(1e300) == 8)
    }

    @Test func quotasAreReadAsTheSystemWritesThem() {
        #expect(ControlGroups.parseQuota("200000 100000\n") == 2)
        #expect(ControlGroups.parseQuota("max 100000\n") == nil)
        for odd in ["", "5", "a b", "1 0", "-1 5", "-1 100000\n", "1 2 3", "nan 1", "inf 1"] {
            #expect(ControlGroups.parseQuota(odd) == nil)
        }
    }

    @Test func thisMachineHasCores() {
        #expect(Processor.ownCoreCount >= 1)
        #expect(Processor.ownCoreCount <= Processor.allowedProcessorCount())
    }

    /// Linux reports the same features, by its own reading of the same registers.
    @Test func featuresAgreeWithTheSystem() throws {
        let information = String(decoding: try readFile(path: "/proc/cpuinfo", limit: 1 << 24), as: UTF8.self)
        // The line is "flags" on x86 and "Features" on ARM.
        let flags = information.split(separator: "\n").first {
            $0.hasPrefix("flags") || $0.hasPrefix("Features")
        }
        let names = Set(flags?.split(whereSeparator: \.isWhitespace) ?? [])
        let features = CPUFeatures.current
        #expect(features.hasAVX2FMA == names.isSuperset(of: ["avx2", "fma", "f16c"]))
        let avx512: Set<Substring> = ["avx512f", "avx512bw", "avx512dq", "avx512vl"]
        #expect(features.hasAVX512 == names.isSuperset(of: avx512))
        #expect(features.hasAVX512VNNI == names.isSuperset(of: avx512.union(["avx512_vnni"])))
        #expect(features.hasDotProduct == names.contains("asimddp"))
        #expect(features.hasMatrixProduct == names.isSuperset(of: ["asimddp", "i8mm"]))
    }
}

@Suite struct MemoryTests {
    @Test func valuesAreReadFromTheirOwnLine() {
        let status =
            "VmPeak:\t  10 kB\nVmHWM:\t     2048 kB\nVmRSS:\t 1 kB\nVmOdd: x kB\nVmHuge: 9223372036854775807 kB"
        #expect(ProcessMemory.kilobytes("VmHWM", in: status) == 2048 * 1024)
        #expect(ProcessMemory.kilobytes("Vm", in: status) == nil)
        #expect(ProcessMemory.kilobytes("VmOdd", in: status) == nil)
        #expect(ProcessMemory.kilobytes("VmHuge", in: status) == nil)
        #expect(ProcessMemory.kilobytes("VmHWM", in: "") == nil)
    }

    @Test func pagesOfFilesInAGroupAreFound() {
        let content = "anon 5\ninactive_file 100\nactive_file 20\nfile 500\n"
        #expect(ControlGroups.filePageByteCount(content) == 120)
        #expect(
            ControlGroups.filePageByteCount("anon 5\n") == nil && ControlGroups.filePageByteCount("") == nil)
        #expect(SystemMemory.availableByteCount() > 0)
    }

    @Test func touchedMemoryIsResident() {
        let buffer = granted(try AlignedBuffer<UInt8>(count: 64 << 20))
        for index in stride(from: 0, to: buffer.count, by: 4096) { buffer[index] = 1 }
        // Not compared with the memory before: tests beside this one give theirs back meanwhile.
        #expect(ProcessMemory.residentByteCount() >= buffer.count)
        #expect(ProcessMemory.peakResidentByteCount() >= buffer.count)
        #expect(SystemMemory.availableByteCount() > 0)
        #expect(buffer[4096] == 1)
    }

    @Test func timePasses() {
        let start = MonotonicClock.now()
        usleep(2_000)
        let passed = MonotonicClock.now() - start
        #expect(passed >= 2e-3 && passed < 5)
    }
}
