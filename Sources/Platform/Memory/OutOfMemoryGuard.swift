// SPDX-License-Identifier: Apache-2.0
// The last resort of a program that is out of memory. Swift's arrays, strings and objects cannot throw if the system
// refuses memory: the process traps, aborts or reads address 0; and the first thread's stack may fail to grow. Each of
// these raises a signal in the requesting thread, and errno still gives the reason. The same handler covers truncated mapped
// files.

import CPlatform
import Glibc

/// Turns signals caused by lack of memory or by a mapped file into one line and exit code 1; other signals keep their effect.
package enum OutOfMemoryGuard {
    private static let signals = [SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS]
    private static let stackByteCount = 64 << 10
    /// Growth of the first thread's stack counts as address space, and no call of ours can throw for it. The stack therefore
    /// grows to this size at start, without the pages in between.
    private static let mainStackByteCount = 1 << 20

    /// Called once by a program, on its first thread, before anything else runs.
    package static func install() {
        // A stack that cannot grow leaves no room for the handler.
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
            // The signal of a stack that cannot grow is the same as that of any other fault.
            guard hasRoom(byteCount: mainStackByteCount + stackByteCount) else { end() }
            platform_grow_stack()
        }
        errno = 0
    }

    /// The complete action of the signal handler.
    private static func handle(_ signal: Int32, _ info: UnsafePointer<siginfo_t>?, code: Int32) {
        if signal == SIGBUS, let info { MappedFileGuard.endIfMapped(info) }
        guard code == ENOMEM || !hasRoom(byteCount: 132 << 10) else {
            // The instruction runs again and has its usual effect; a signal from another process must be raised again.
            Glibc.signal(signal, SIG_DFL)
            if let info, info.pointee.si_code <= 0 { raise(signal) }
            return
        }
        // An abort has already reported what it could not allocate.
        if signal == SIGABRT { _exit(1) }
        end()
    }

    private static func end() -> Never {
        let line: StaticString = "tiller: out of memory; free some, or raise `ulimit -v`\n"
        _ = Glibc.write(STDERR_FILENO, line.utf8Start, line.utf8CodeUnitCount)
        _exit(1)
    }

    /// Whether the system grants this much, as growth of a stack or of the heap would require.
    private static func hasRoom(byteCount: Int) -> Bool {
        let mapped = mmap(
            nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let mapped, mapped != MAP_FAILED else { return false }
        munmap(mapped, byteCount)
        return true
    }
}
