// SPDX-License-Identifier: Apache-2.0
// Shows the progress of a long operation on standard error: one updated line for people, a few lines for logs.

import Glibc
import Platform

/// The progress display of one operation; used on one thread.
package final class ProgressBar {
    package typealias Unit = ProgressUnit

    private var line: ProgressLine
    private let isTerminal: Bool
    private let emit: (String) -> Void
    private let now: () -> Double
    private let start: Double
    private var lastShown: Double?
    private var lastFraction = 0.0
    private var isFinished = false

    /// Nothing is shown before the first `update`.
    package convenience init(label: String, total: Int, unit: Unit = .items) {
        self.init(
            label: label, total: total, unit: unit,
            isTerminal: isatty(STDERR_FILENO) == 1 && getenv("TERM").map { strcmp($0, "dumb") != 0 } ?? true,
            now: MonotonicClock.now, emit: { writeAll($0, to: STDERR_FILENO) })
    }

    /// The display with explicit dependencies, for tests.
    package init(
        label: String, total: Int, unit: Unit, isTerminal: Bool, now: @escaping () -> Double,
        emit: @escaping (String) -> Void
    ) {
        line = ProgressLine(label: label, total: total, unit: unit)
        self.isTerminal = isTerminal
        self.now = now
        self.emit = emit
        start = now()
    }

    // After a failed operation, keep the last state visible and start the next output on its own line.
    deinit {
        if isTerminal && !isFinished && lastShown != nil { emit("\n") }
    }

    /// Reports the number of completed steps.
    /// - Parameter total: the new total, if it has changed.
    package func update(_ done: Int, total: Int? = nil) {
        guard !isFinished else { return }
        line.done = done
        if let total { line.total = total }
        showIfDue()
    }

    /// Reports the progress of one of the operation's phases.
    package func update(_ phase: ProgressLine.Phase) {
        guard !isFinished else { return }
        line.phase = phase
        showIfDue()
    }

    private func showIfDue() {
        let time = now()
        line.elapsed = time - start
        guard isDue(at: time) else { return }
        (lastShown, lastFraction) = (time, line.fraction)
        show()
    }

    /// Shows the completed operation.
    /// - Parameter total: the final total, if it was not known before.
    package func finish(total: Int? = nil) {
        guard !isFinished else { return }
        isFinished = true
        line.phase = nil
        if let total { line.total = total }
        line.done = line.total
        line.elapsed = now() - start
        if isTerminal {
            show()
            emit("\n")
        } else if lastShown != nil {
            show()
        }
    }

    private func isDue(at time: Double) -> Bool {
        let pause = time - (lastShown ?? start)
        if isTerminal { return lastShown == nil || pause >= 0.1 }
        // A log should have neither a line per step nor minutes of silence.
        return pause >= 10 || (pause >= 2 && line.fraction - lastFraction >= 0.1)
    }

    private func show() {
        if isTerminal {
            // One cell stays free: a full line would wrap on some terminals.
            emit("\r" + line.rendered(width: TerminalSize.columns - 1) + "\u{1B}[K")
        } else {
            emit(line.plain + "\n")
        }
    }
}

/// Writes all of `text`; ignores errors, since the display is not essential.
func writeAll(_ text: String, to descriptor: Int32) {
    let bytes = Array(text.utf8)
    var done = 0
    while done < bytes.count {
        let count = bytes.withUnsafeBytes {
            write(descriptor, $0.baseAddress.map { $0 + done }, $0.count - done)
        }
        if count > 0 { done += count } else if count == 0 || errno != EINTR { return }
    }
}
