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

@Suite struct InterruptTests {
    @Test func theFirstRequestsSetAFlagAndTheThirdEnds() async {
        await #expect(processExitsWith: .success) {
            unblockSignals()
            Interrupt.install(includingTermination: true)
            try #require(!Interrupt.isRequested)
            raise(SIGINT)
            try #require(Interrupt.isRequested)
            Interrupt.reset()
            try #require(!Interrupt.isRequested)
            raise(SIGTERM)
            raise(SIGINT)
            try #require(Interrupt.isRequested)
        }
        await #expect(processExitsWith: .signal(SIGINT)) {
            unblockSignals()
            Interrupt.install()
            for _ in 0..<3 { raise(SIGINT) }
        }
        await #expect(processExitsWith: .signal(SIGTERM)) {
            unblockSignals()
            Interrupt.install()
            raise(SIGTERM)
        }
        await #expect(processExitsWith: .signal(SIGINT)) {
            unblockSignals()
            Interrupt.install()
            Interrupt.uninstall()
            raise(SIGINT)
        }
    }
}
