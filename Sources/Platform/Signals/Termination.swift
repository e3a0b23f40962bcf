// SPDX-License-Identifier: Apache-2.0
// Signals that ask the program to end do so at once, in any computation: loops need no check. Temporary files are removed
// first; a step that must not be interrupted is declared `uninterrupted`.

import Glibc
import Synchronization

/// Ends the program on SIGINT (Ctrl-C), SIGTERM or SIGHUP.
///
/// Signals belong to the process, so this is global state. A handler must neither allocate nor wait, so the data that it reads
/// changes only while the handler is held off.
package enum Termination {
    /// Signals that end the program, each with exit code 128 + its number.
    package static let signals = [SIGINT, SIGTERM, SIGHUP]

    /// The number of threads in an uninterruptible step; far below 0 once the program ends.
    private static let holdCount = Atomic<Int>(0)
    private static let ending = Int.min / 2
    /// The signal that arrived during such a step, or 0.
    private static let pendingSignal = Atomic<Int32>(0)
    private static let change = Locked<Void>(())
    // Changed only under `change` and a hold; the handler reads it when there is no hold.
    nonisolated(unsafe) private static var names: [UnsafeMutablePointer<CChar>] = []

    /// Called once by a program, before it has a second thread. Ignored signals stay ignored: a shell starts background
    /// programs with Ctrl-C ignored, and `nohup` does so for SIGHUP.
    package static func install() {
        // Initialized here, because a handler must not do so.
        holdCount.store(0, ordering: .sequentiallyConsistent)
        pendingSignal.store(0, ordering: .sequentiallyConsistent)
        names.reserveCapacity(16)
        for signal in signals where !isIgnored(signal) { endBy(signal) }
    }

    /// Makes a signal end the program.
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

    // MARK: - Steps and names

    /// Runs a short step completely or not at all; a signal that arrives meanwhile ends the program afterwards.
    package static func uninterrupted<Result: ~Copyable, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        hold()
        defer { release() }
        return try body()
    }

    /// Begins such a step, which `release` ends.
    static func hold() {
        // If the program is already ending, this thread must not begin anything.
        if holdCount.add(1, ordering: .sequentiallyConsistent).oldValue < 0 { waitForEnd() }
    }

    static func release() {
        let rest = holdCount.subtract(1, ordering: .sequentiallyConsistent).newValue
        let signal = pendingSignal.load(ordering: .sequentiallyConsistent)
        if rest == 0, signal != 0 { end(by: signal) }
    }

    /// Registers a file for removal if a signal ends the program; a name can be added several times and is counted.
    package static func add(leftover path: String) {
        uninterrupted { change.withLock { _ in if let name = strdup(path) { names.append(name) } } }
    }

    /// Removes a registration: the file is in place, or gone.
    package static func remove(leftover path: String) {
        uninterrupted {
            change.withLock { _ in
                guard let index = names.firstIndex(where: { strcmp($0, path) == 0 }) else { return }
                free(names.remove(at: index))
            }
        }
    }

    /// Removes the file at a path when `body` returns, or when a signal ends the program.
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

    /// The complete action of the signal handler.
    static func end(by signal: Int32) {
        pendingSignal.store(signal, ordering: .sequentiallyConsistent)
        // A thread that ends its step checks for a signal after it releases the hold. This handler checks the hold after it
        // stores the signal.
        let (isEnding, _) = holdCount.compareExchange(
            expected: 0, desired: ending, ordering: .sequentiallyConsistent)
        guard isEnding else { return }
        for name in names { unlink(name) }
        // A progress bar leaves the cursor in the middle of its line.
        let line: StaticString =
            isatty(STDERR_FILENO) == 1 ? "\ntiller: interrupted\n" : "tiller: interrupted\n"
        // Do not wait for a full pipe.
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
