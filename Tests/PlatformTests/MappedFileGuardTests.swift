// SPDX-License-Identifier: Apache-2.0
// Files that are cut off while they are mapped, each in a process of its own.

import Glibc
import Platform
import Testing

private let pageSize = Int(getpagesize())

/// A mapped file of three pages, of which only the first is left, and it open. No name is left of it: nobody removes what a
/// process leaves that a signal ends.
private func cutFile(_ name: String = "model") throws -> (MappedFile, descriptor: Int32) {
    let folder = TemporaryFolder()
    folder.write([UInt8](repeating: 7, count: 3 * pageSize), to: name)
    let file = try MappedFile(path: folder / name)
    let descriptor = open(folder / name, O_RDWR)
    try #require(file.bytes[2 * pageSize] == 7)
    try #require(ftruncate(descriptor, off_t(pageSize)) == 0)
    try #require(file.bytes[pageSize - 1] == 7)
    return (file, descriptor)
}

/// The threads that run tests leave signals to others, and no fault shall leave a memory image.
private func prepare() {
    var none = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, nil)
    var limit = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(4), &limit)  // RLIMIT_CORE
}

/// Lines of the program that a process wrote to standard error.
private func lines(_ result: ExitTest.Result?) -> [Substring] {
    String(decoding: result?.standardErrorContent ?? [], as: UTF8.self).split(separator: "\n").filter {
        $0.contains("tiller:")
    }
}

@Suite struct MappedFileGuardTests {
    @Test func aFileThatIsCutOffIsNamedInOneLine() async {
        let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
            prepare()
            OutOfMemoryGuard.install()
            let others = try (0..<5).map { _ in try MappedFile(path: "/proc/self/exe") }
            let file = try cutFile("mod\nel").0
            withExtendedLifetime((file, others)) { print(file.bytes[2 * pageSize]) }
        }
        let lines = lines(result)
        #expect(lines.count == 1)
        #expect(lines.first?.hasPrefix("tiller: ") == true)
        #expect(lines.first?.hasSuffix("/mod?el was truncated or changed while it was in use") == true)
    }

    @Test func threadsThatFaultTogetherSayItOnce() async {
        let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
            prepare()
            OutOfMemoryGuard.install()
            let file = try cutFile().0
            let pool = ThreadPool(threadCount: 4)
            pool.run { thread in
                if file.bytes[2 * pageSize + thread] == 9 { print(thread) }
            }
        }
        #expect(lines(result).count == 1)
    }

    @Test func faultsElsewhereHaveTheirUsualEffect() async {
        // Another mapping of the same file, where ours was before.
        let result = await #expect(processExitsWith: .signal(SIGBUS), observing: [\.standardErrorContent]) {
            prepare()
            OutOfMemoryGuard.install()
            var (file, descriptor): (MappedFile?, Int32) = try cutFile()
            let address = UnsafeMutableRawPointer(mutating: try #require(file?.bytes.baseAddress))
            file = nil
            let mapped = mmap(
                address, 3 * pageSize, PROT_READ, MAP_SHARED | MAP_FIXED, descriptor, 0)
            try #require(mapped == address)
            print(address.load(fromByteOffset: 2 * pageSize, as: UInt8.self))
        }
        #expect(lines(result).isEmpty)
        await #expect(processExitsWith: .signal(SIGBUS)) {
            prepare()
            OutOfMemoryGuard.install()
            raise(SIGBUS)
        }
    }

    @Test func withoutTheGuardNothingChanges() async {
        let result = await #expect(processExitsWith: .signal(SIGBUS), observing: [\.standardErrorContent]) {
            prepare()
            signal(SIGBUS, SIG_DFL)
            let file = try cutFile().0
            withExtendedLifetime(file) { print(file.bytes[2 * pageSize]) }
        }
        #expect(lines(result).isEmpty)
    }

    @Test func placesInTheTableAreUsedAgain() async {
        await #expect(processExitsWith: .exitCode(1)) {
            prepare()
            OutOfMemoryGuard.install()
            for _ in 0..<10_000 { _ = try MappedFile(path: "/proc/self/exe") }
            let file = try cutFile().0
            withExtendedLifetime(file) { print(file.bytes[2 * pageSize]) }
        }
    }
}
