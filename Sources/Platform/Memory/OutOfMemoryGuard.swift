// SPDX-License-Identifier: Apache-2.0
// The last resort of a program that is out of memory. Swift's arrays, strings and objects cannot throw where the system
// refuses memory: the process traps, aborts or reads address 0, and the stack of the first thread cannot grow. Each of
// these is a signal to the thread that asked, and errno still says why. The same handler hears of mapped files that were
// cut off.

import CPlatform
import Glibc

/// Turns signals that lack of memory or a mapped file caused into one line and exit code 1; all others do what they always did.
package enum OutOfMemoryGuard {
    private static let signals = [SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS]
    private static let stackByteCount = 64 << 10
    /// Growth of the first thread's stack counts as address space, and no call of ours can throw for it: it grows to this at start,
    /// without the pages in between.
    private static let mainStackByteCount = 1 << 20

    /// Called once by a program, on its first thread, before anything else runs.
    package static func install() {
        // A stack that cannot grow leaves none for the handler.
        if let memory = malloc(stackByteCount) {
            var stack = stack_t(ss_sp: memory, ss_flags: 0, ss_size: stackByteCount)
            sigaltstack(&stack, nil)
        }
        MappedFileGuard.install()
        var action = sigaction()
        action.sa_flags = SA_ONSTACK | SA_SIGINFO
        action.__sigaction_handler.sa_sigaction = { signal, info, _ in
            OutOfMemoryGuard.handle(signal, info, code: errno)
        }
        for signal in signals { sigaction(signal, &action, nil) }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_STACK.rawValue), &limit) == 0,
            limit.rlim_cur >= 2 * mainStackByteCount
        {
            // No signal tells a stack that cannot grow from another fault.
            guard hasRoom(byteCount: mainStackByteCount + stackByteCount) else { end() }
            platform_grow_stack()
        }
        errno = 0
    }

    /// All that a signal handler may do.
    private static func handle(_ signal: Int32, _ info: UnsafePointer<siginfo_t>?, code: Int32) {
        if signal == SIGBUS, let info { MappedFileGuard.endIfMapped(info) }
        guard code == ENOMEM || !hasRoom(byteCount: 132 << 10) else {
            // The instruction is run again, and has its usual effect; what another process sent does not come again.
            Glibc.signal(signal, SIG_DFL)
            if let info, info.pointee.si_code <= 0 { raise(signal) }
            return
        }
        // Who aborts has said what it could not allocate.
        if signal == SIGABRT { _exit(1) }
        end()
    }

    private static func end() -> Never {
        let line: StaticString = "tiller: out of memory; free some, or raise `ulimit -v`\n"
        _ = Glibc.write(STDERR_FILENO, line.utf8Start, line.utf8CodeUnitCount)
        _exit(1)
    }

    /// Whether the system hands out so much, as a stack's growth or the heap's would take.
    private static func hasRoom(byteCount: Int) -> Bool {
        let mapped = mmap(
            nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let mapped, mapped != MAP_FAILED else { return false }
        munmap(mapped, byteCount)
        return true
    }
}
