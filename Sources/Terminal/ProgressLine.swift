// SPDX-License-Identifier: Apache-2.0
// The text of a progress display, independent of when and where it is shown.

/// The unit of a number of steps.
package enum ProgressUnit: Sendable {
    case items, bytes
}

/// The state of an operation as one line.
package struct ProgressLine: Sendable {
    /// A part of an operation that counts its own steps.
    package struct Phase: Sendable {
        let name: String
        let done, total: Int
        let unit: ProgressUnit
        /// The completed share of the whole operation.
        let overall: Double

        package init(_ name: String, done: Int, total: Int, unit: ProgressUnit, overall: Double) {
            (self.name, self.done, self.total, self.unit, self.overall) = (name, done, total, unit, overall)
        }
    }

    package var label: String
    package var unit: ProgressUnit
    package var done = 0
    package var total: Int
    /// The current phase, if the operation has phases; its steps replace `done` and `total`.
    package var phase: Phase?
    /// Seconds since the start.
    package var elapsed = 0.0

    package init(label: String, total: Int, unit: ProgressUnit) {
        (self.label, self.total, self.unit) = (label, total, unit)
    }

    /// The completed share, in 0...1; 1 if there is nothing to do.
    package var fraction: Double {
        let part = phase?.overall ?? (total > 0 ? Double(done) / Double(total) : 1)
        return min(max(part, 0), 1)
    }

    /// Seconds left at the average speed so far; nil without an average.
    package var secondsLeft: Double? {
        fraction > 0 && elapsed > 0.5 ? elapsed * (1 - fraction) / fraction : nil
    }

    /// The line without a bar, as for a log.
    package var plain: String { "\(label)  \(numbers)" }

    private var numbers: String {
        let percent = "\(Int(fraction * 100)) %"
        let time =
            if fraction >= 1 { "  \(Self.duration(elapsed))" } else {
                secondsLeft.map { "  \(Self.duration($0)) left" } ?? ""
            }
        return "\(percent)  \(amount)\(time)"
    }

    /// One line of at most `width` cells, with a bar if there is room for one.
    package func rendered(width: Int) -> String {
        let numbers = numbers
        let room = width - displayWidth(of: label) - displayWidth(of: numbers) - 4
        guard room >= 8 else {
            return wrapped(plain, width: max(width, 2))[0]
        }
        let cells = min(room, 40)
        let filled = Int(Double(cells) * fraction)
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: cells - filled)
        return "\(label)  \(bar)  \(numbers)"
    }

    private var amount: String {
        guard let phase else { return Self.amount(done, of: total, unit) }
        return "\(phase.name) \(Self.amount(phase.done, of: phase.total, phase.unit))"
    }

    private static func amount(_ done: Int, of total: Int, _ unit: ProgressUnit) -> String {
        switch unit {
        case .items: "\(done)/\(total)"
        case .bytes: "\(bytes(done))/\(bytes(total))"
        }
    }

    /// Bytes in decimal units with one digit: "1.5 GB".
    static func bytes(_ count: Int) -> String {
        var value = Double(count)
        guard value >= 1000 else { return "\(count) B" }
        for unit in ["kB", "MB", "GB", "TB"] {
            value /= 1000
            // Compared after rounding, so that 999.96 kB is 1.0 MB.
            let tenths = Int((value * 10).rounded())
            if tenths < 10_000 || unit == "TB" { return "\(tenths / 10).\(tenths % 10) \(unit)" }
        }
        return "\(count) B"
    }

    /// "8 s", "3:05" or "2:00:30".
    package static func duration(_ seconds: Double) -> String {
        let whole = Int(min(max(seconds.rounded(), 0), 1e9))
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
        if hours > 0 { return "\(hours):\(two(minutes)):\(two(rest))" }
        return minutes > 0 ? "\(minutes):\(two(rest))" : "\(rest) s"
    }
}
