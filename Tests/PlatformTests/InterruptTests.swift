// SPDX-License-Identifier: Apache-2.0
// Signals, each in a process of its own.

import Glibc
import Platform
import Testing

/// The threads that run tests leave signals to others.
private func unblockSignals() {
    var none = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, nil)
}

/// What a program does at its start, in a process whose parent may ignore Ctrl-C.
private func beginProgram() {
    unblockSignals()
    for signal in Termination.signals { Glibc.signal(signal, SIG_DFL) }
    Termination.install()
}

/// What the parent hands to a process of its own.
private func testFolder(_ variable: String) -> String { getenv(variable).map { String(cString: $0) } ?? "" }

private func endWithLeftovers(by signal: Int32) {
    beginProgram()
    let folder = testFolder("TILLER_TEST_LEFTOVERS")
    for name in ["finished", "model.partial"] { Termination.add(leftover: "\(folder)/\(name)") }
    Termination.remove(leftover: "\(folder)/finished")
    raise(signal)
    // Not reached.
    exit(0)
}

@Suite struct InterruptTests {
    @Test func theFirstRequestsSetAFlagAndTheThirdEnds() async {
        await #expect(processExitsWith: .success) {
            beginProgram()
            Interrupt.install()
            try #require(!Interrupt.isRequested)
            raise(SIGINT)
            try #require(Interrupt.isRequested)
            Interrupt.reset()
            try #require(!Interrupt.isRequested)
            for _ in 0..<2 { raise(SIGINT) }
            try #require(Interrupt.isRequested)
        }
        await #expect(processExitsWith: .exitCode(130)) {
            beginProgram()
            Interrupt.install()
            for _ in 0..<3 { raise(SIGINT) }
        }
        await #expect(processExitsWith: .exitCode(143)) {
            beginProgram()
            Interrupt.install()
            raise(SIGTERM)
        }
    }

    @Test func aRequestThatNobodyLookedAtEndsTheProgramAfterwards() async {
        await #expect(processExitsWith: .exitCode(130)) {
            beginProgram()
            Interrupt.install()
            raise(SIGINT)
            Interrupt.uninstall()
        }
        await #expect(processExitsWith: .success) {
            beginProgram()
            Interrupt.install()
            raise(SIGINT)
            Interrupt.reset()
            Interrupt.uninstall()
        }
    }

    @Test func aSignalEndsAtOnceAndRemovesWhatIsLeftOver() async {
        let folder = TemporaryFolder()
        setenv("TILLER_TEST_LEFTOVERS", folder.path, 1)
        func prepare() { for name in ["model.partial", "finished", "other"] { folder.write([1], to: name) } }
        prepare()
        await #expect(processExitsWith: .exitCode(130)) { endWithLeftovers(by: SIGINT) }
        #expect(folder.names == ["finished", "other"])
        prepare()
        await #expect(processExitsWith: .exitCode(143)) { endWithLeftovers(by: SIGTERM) }
        #expect(folder.names == ["finished", "other"])
        prepare()
        await #expect(processExitsWith: .exitCode(129)) { endWithLeftovers(by: SIGHUP) }
        #expect(folder.names == ["finished", "other"])
    }

    @Test func aMomentIsNotCutInTwo() async {
        let folder = TemporaryFolder()
        setenv("TILLER_TEST_MOMENT", folder.path, 1)
        await #expect(processExitsWith: .exitCode(143)) {
            beginProgram()
            let path = testFolder("TILLER_TEST_MOMENT")
            Termination.uninterrupted {
                raise(SIGINT)
                Termination.uninterrupted { _ = raise(SIGINT) }
                close(creat(path + "/whole", 0o600))
                raise(SIGTERM)
                close(creat(path + "/twice", 0o600))
            }
            exit(0)
        }
        #expect(folder.names == ["twice", "whole"])
    }

    @Test func whatTheParentIgnoresStaysIgnored() async {
        await #expect(processExitsWith: .success) {
            unblockSignals()
            for signal in Termination.signals { Glibc.signal(signal, SIG_IGN) }
            Termination.install()
            Interrupt.install()
            for signal in Termination.signals { raise(signal) }
            try #require(!Interrupt.isRequested)
        }
    }

    @Test func aWriterLeavesNothingAndAFileThatIsReplacedStays() async throws {
        let folder = TemporaryFolder()
        folder.write([1], to: "a")
        setenv("TILLER_TEST_WRITER", folder.path, 1)
        await #expect(processExitsWith: .exitCode(143)) {
            beginProgram()
            let path = testFolder("TILLER_TEST_WRITER") + "/a"
            let writer = try AtomicFileWriter(path: path, replaceExisting: true, isNamed: true)
            try writer.write([2, 3])
            raise(SIGTERM)
            try writer.commit()
        }
        #expect(folder.names == ["a"])
        #expect(try readFile(path: folder / "a", limit: 9) == [1])
        await #expect(processExitsWith: .exitCode(143)) {
            beginProgram()
            let path = testFolder("TILLER_TEST_WRITER") + "/a"
            let writer = try AtomicFileWriter(path: path, replaceExisting: true)
            try writer.write([2, 3])
            try writer.commit()
            raise(SIGTERM)
        }
        #expect(folder.names == ["a"])
        #expect(try readFile(path: folder / "a", limit: 9) == [2, 3])
    }
}
