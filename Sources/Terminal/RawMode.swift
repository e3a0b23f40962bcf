// SPDX-License-Identifier: Apache-2.0
// Raw mode: the terminal delivers every key at once. Normal mode is restored however the program ends.

import Glibc

/// Raw mode of the terminal at standard input, between `enter` and `leave`.
///
/// The settings to restore are global, since signal handlers and the exit handler need them.
enum RawMode {
    private static let signals = [
        SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE,
    ]
    /// Bracketed paste: the terminal marks pasted text.
    private static let startOfPastes = "\u{1B}[?2004h"
    private static let endOfPastes: StaticString = "\u{1B}[?2004l"

    // Only `enter` and `leave` write it, on one thread; a handler may read it in between.
    nonisolated(unsafe) private static var original = termios()
    nonisolated(unsafe) private static var output: Int32 = STDOUT_FILENO
    nonisolated(unsafe) private static var isActive = false
    nonisolated(unsafe) private static var previousActions: [(signal: Int32, action: sigaction)] = []
    private static let restoresAtExit: Void = { _ = atexit { RawMode.restore() } }()

    /// Turns raw mode on; false if standard input is not a terminal.
    /// - Parameter descriptor: the terminal's output.
    static func enter(output descriptor: Int32) -> Bool {
        guard !isActive, tcgetattr(STDIN_FILENO, &original) == 0 else { return false }
        output = descriptor
        _ = restoresAtExit
        var raw = original
        raw.c_iflag &= ~tcflag_t(BRKINT | ICRNL | INPCK | ISTRIP | IXON)
        raw.c_lflag &= ~tcflag_t(ECHO | ICANON | IEXTEN | ISIG)
        raw.c_cflag |= tcflag_t(CS8)
        // `read` returns as soon as one byte is available.
        withUnsafeMutableBytes(of: &raw.c_cc) { characters in
            characters[Int(VMIN)] = 1
            characters[Int(VTIME)] = 0
        }
        isActive = true
        catchSignals()
        // Without a flush, keys that were pressed earlier are kept.
        guard tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0 else {
            leave()
            return false
        }
        writeAll(startOfPastes, to: output)
        return true
    }

    /// Restores the terminal's previous mode.
    static func leave() {
        restore()
        for (signal, var action) in previousActions { sigaction(signal, &action, nil) }
        previousActions = []
    }

    /// The part of `leave` that is safe in a signal handler.
    private static func restore() {
        guard isActive else { return }
        isActive = false
        tcsetattr(STDIN_FILENO, TCSADRAIN, &original)
        _ = write(output, endOfPastes.utf8Start, endOfPastes.utf8CodeUnitCount)
    }

    /// Restores a signal's handling: the default for termination requests, the program's own for faults, which may report
    /// the cause.
    private static func giveBack(_ signal: Int32) {
        switch signal {
        case SIGHUP, SIGINT, SIGTERM, SIGQUIT: break
        default:
            for (caught, var action) in previousActions where caught == signal {
                sigaction(signal, &action, nil)
                return
            }
        }
        Glibc.signal(signal, SIG_DFL)
    }

    private static func catchSignals() {
        var action = sigaction()
        action.sa_flags = SA_SIGINFO
        action.__sigaction_handler.sa_sigaction = { signal, info, _ in
            RawMode.restore()
            RawMode.giveBack(signal)
            // A fault recurs when the handler returns; a sent signal does not.
            if let info, info.pointee.si_code > 0 { return }
            raise(signal)
        }
        previousActions = signals.map { signal in
            var previous = Glibc.sigaction()
            sigaction(signal, &action, &previous)
            return (signal, previous)
        }
    }
}
