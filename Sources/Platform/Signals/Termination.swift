// SPDX-License-Identifier: Apache-2.0
// Signals that ask the program to end do so at once, whatever it computes: no loop has to look for them. What the program
// made under a passing name is removed first; a moment that must not be cut in two is declared `uninterrupted`.

import Glibc
import Synchronization

/// The end by SIGINT (Ctrl-C), SIGTERM or SIGHUP.
///
/// Signals belong to the process, so this is global state. A handler must not allocate nor wait, so what it reads changes only
/// while it is held off.
package enum Termination {
    /// Signals that end the program, each with exit code 128 + its number.
    package static let signals = [SIGINT, SIGTERM, SIGHUP]

    /// How many threads are in a moment that must not be cut in two; far below 0 once the program ends.
    private static let holdCount = Atomic<Int>(0)
    private static let ending = Int.min / 2
    /// The signal that came in such a moment, or 0.
    private static let pendingSignal = Atomic<Int32>(0)
    private static let change = Locked<Void>(())
    // Changed only under `change` and a hold, read by the handler where there is none.
    nonisolated(unsafe) private static var names: [UnsafeMutablePointer<CChar>] = []

    /// Called once by a program, before it has a second thread. Signals that are ignored stay so: a shell that starts something
    /// in the background has it ignore Ctrl-C, and `nohup` does it for SIGHUP.
    package static func install() {
        // Initialized here, because a handler must not.
        holdCount.store(0, ordering: .sequentiallyConsistent)
        pendingSignal.store(0, ordering: .sequentiallyConsistent)
        names.reserveCapacity(16)
        for signal in signals where !isIgnored(signal) { endBy(signal) }
    }

    /// Has a signal end the program.
    static func endBy(_ signal: Int32) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { Termination.end(by: $0) }
        sigaction(signal, &action, nil)
    }

    static func isIgnored(_ signal: Int32) -> Bool {
        var action = sigaction()
        sigaction(signal, nil, &action)
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    // MARK: - Moments and names

    /// Does something short that is done whole or not at all; a signal that comes meanwhile ends the program afterwards.
    package static func uninterrupted<Result: ~Copyable, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        hold()
        defer { release() }
        return try body()
    }

    /// Begins such a moment, which `release` ends.
    static func hold() {
        // Where the program ends already, this thread must not begin anything.
        if holdCount.add(1, ordering: .sequentiallyConsistent).oldValue < 0 { waitForEnd() }
    }

    static func release() {
        let rest = holdCount.subtract(1, ordering: .sequentiallyConsistent).newValue
        let signal = pendingSignal.load(ordering: .sequentiallyConsistent)
        if rest == 0, signal != 0 { end(by: signal) }
    }

    /// Has a file removed if a signal ends the program; a name can be given several times, and counts as often.
    package static func add(leftover path: String) {
        uninterrupted { change.withLock { _ in if let name = strdup(path) { names.append(name) } } }
    }

    /// The file has its place, or is gone.
    package static func remove(leftover path: String) {
        uninterrupted {
            change.withLock { _ in
                guard let index = names.firstIndex(where: { strcmp($0, path) == 0 }) else { return }
                free(names.remove(at: index))
            }
        }
    }

    /// Removes the file at a path when `body` ends, or the program by a signal.
    package static func removing<Result, Failure: Error>(
        _ path: String, after body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        add(leftover: path)
        defer {
            unlink(path)
            remove(leftover: path)
        }
        return try body()
    }

    // MARK: - In the handler

    /// All that a signal handler may do.
    static func end(by signal: Int32) {
        pendingSignal.store(signal, ordering: .sequentiallyConsistent)
        // A thread that leaves its moment looks at the signal after it has let go, and this after it has left the signal there.
        let (isEnding, _) = holdCount.compareExchange(
            expected: 0, desired: ending, ordering: .sequentiallyConsistent)
        guard isEnding else { return }
        for name in names { unlink(name) }
        // A progress bar leaves the cursor in the middle of its line.
        let line: StaticString =
            isatty(STDERR_FILENO) == 1 ? "\ntiller: interrupted\n" : "tiller: interrupted\n"
        // A full pipe would have to be waited for.
        var request = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        if poll(&request, 1, 0) == 1 {
            _ = Glibc.write(STDERR_FILENO, line.utf8Start, line.utf8CodeUnitCount)
        }
        _exit(128 + signal)
    }

    private static func waitForEnd() -> Never {
        while true { pause() }
    }
}
