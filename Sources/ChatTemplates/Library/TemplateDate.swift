// SPDX-License-Identifier: Apache-2.0
// The date for `strftime_now`: a value, so that rendering is reproducible.

import Glibc

/// A local date and time.
package struct TemplateDate: Equatable, Sendable {
    package var year: Int
    /// From 1.
    package var month: Int
    /// Of the month, from 1.
    package var day: Int
    package var hour: Int
    package var minute: Int
    package var second: Int

    package init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        self.year = year
        self.month = min(max(month, 1), 12)
        self.day = min(max(day, 1), 31)
        self.hour = hour
        self.minute = minute
        self.second = second
    }

    /// The current local time of the machine.
    package static func current() -> TemplateDate {
        var seconds = time(nil)
        var parts = tm()
        localtime_r(&seconds, &parts)
        return TemplateDate(
            year: Int(parts.tm_year) + 1900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday),
            hour: Int(parts.tm_hour), minute: Int(parts.tm_min), second: Int(parts.tm_sec))
    }

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
        "November", "December",
    ]
    private static let weekdays = [
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
    ]

    /// Days since 0000-03-01 in the proleptic Gregorian calendar, from which weekdays follow.
    private static func dayNumber(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month > 2 ? year : year - 1
        let monthFromMarch = (month + 9) % 12
        return 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + (153 * monthFromMarch + 2) / 5
            + day - 1
    }

    private var weekday: Int { (Self.dayNumber(year, month, day) + 3) % 7 }

    private var dayOfYear: Int {
        Self.dayNumber(year, month, day) - Self.dayNumber(year - 1, 12, 31)
    }

    /// Formats the date as C's `strftime` does in the C locale; an unknown field is kept as written.
    package func formatted(_ format: String) -> String {
        var text = ""
        var scanner = ScalarScanner(Text(format))
        while let scalar = scanner.next() {
            guard scalar == "%" else {
                text.unicodeScalars.append(scalar)
                continue
            }
            let isUnpadded = scanner.skip("-")
            guard let field = scanner.next() else {
                text += isUnpadded ? "%-" : "%"
                break
            }
            text += value(of: field, isUnpadded: isUnpadded) ?? "%\(isUnpadded ? "-" : "")\(field)"
        }
        return text
    }

    private func value(of field: Unicode.Scalar, isUnpadded: Bool) -> String? {
        func padded(_ number: Int, _ width: Int = 2, with pad: String = "0") -> String {
            let digits = String(number)
            return isUnpadded
                ? digits : String(repeating: pad, count: max(0, width - digits.utf8.count)) + digits
        }
        let month = Self.months[self.month - 1]
        let weekday = Self.weekdays[self.weekday]
        switch field {
        case "Y": return String(year)
        case "y": return padded(year % 100)
        case "m": return padded(self.month)
        case "d": return padded(day)
        case "e": return padded(day, with: " ")
        case "B": return month
        case "b", "h": return String(month.prefix(3))
        case "A": return weekday
        case "a": return String(weekday.prefix(3))
        case "w": return String(self.weekday)
        case "u": return String((self.weekday + 6) % 7 + 1)
        case "j": return padded(dayOfYear, 3)
        case "H": return padded(hour)
        case "I": return padded((hour + 11) % 12 + 1)
        case "M": return padded(minute)
        case "S": return padded(second)
        case "p": return hour < 12 ? "AM" : "PM"
        case "F": return formatted("%Y-%m-%d")
        case "T": return formatted("%H:%M:%S")
        case "D": return formatted("%m/%d/%y")
        case "R": return formatted("%H:%M")
        case "c": return formatted("%a %b %e %H:%M:%S %Y")
        case "x": return formatted("%m/%d/%y")
        case "X": return formatted("%H:%M:%S")
        case "n": return "\n"
        case "t": return "\t"
        case "%": return "%"
        default: return nil
        }
    }
}
