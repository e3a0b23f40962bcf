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

    @Test(arguments: [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)])
    func aSignalEndsAtOnceAndRemovesWhatIsLeftOver(signal: Int32, code: Int32) async {
        let folder = TemporaryFolder()
        for name in ["model.partial", "finished", "other"] { folder.write([1], to: name) }
        let path = folder.path
        await #expect(processExitsWith: .exitCode(code)) { [path, signal] in
            beginProgram()
            for name in ["finished", "model.partial"] { Termination.add(leftover: "\(path)/\(name)") }
            Termination.remove(leftover: "\(path)/finished")
            raise(signal)
            // Not reached.
            exit(0)
        }
        #expect(folder.names == ["finished", "other"])
    }

    @Test func aMomentIsNotCutInTwo() async {
        let folder = TemporaryFolder()
        let path = folder.path
        await #expect(processExitsWith: .exitCode(143)) { [path] in
            beginProgram()
            Termination.uninterrupted {
                raise(SIGTERM)
                Termination.uninterrupted { raise(SIGINT) }
                close(creat("\(path)/whole", 0o600))
                raise(SIGTERM)
            }
            exit(0)
        }
        #expect(folder.names == ["whole"])
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

    @Test func aWriterLeavesNothingAndAFileThatIsReplacedStays() async {
        let folder = TemporaryFolder()
        folder.write([1], to: "a")
        let path = folder.path
        await #expect(processExitsWith: .exitCode(143)) { [path] in
            beginProgram()
            let writer = try AtomicFileWriter(path: "\(path)/a", replaceExisting: true)
            try writer.write([2, 3])
            raise(SIGTERM)
            try writer.commit()
        }
        #expect(folder.names == ["a"])
        #expect(throws: Never.self) { try #require(readFile(path: folder / "a", limit: 9) == [1]) }
        await #expect(processExitsWith: .exitCode(143)) { [path] in
            beginProgram()
            let writer = try AtomicFileWriter(path: "\(path)/a", replaceExisting: true)
            try writer.write([2, 3])
            try writer.commit()
            raise(SIGTERM)
        }
        #expect(folder.names == ["a"])
        #expect(throws: Never.self) { try #require(readFile(path: folder / "a", limit: 9) == [2, 3]) }
    }
}
