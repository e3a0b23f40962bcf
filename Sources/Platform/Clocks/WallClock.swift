// SPDX-License-Identifier: Apache-2.0
// The date, as written into files.

import Glibc

package enum WallClock {
    /// The current moment.
    package static func secondsSince1970() -> Int { time(nil) }

    /// A moment in UTC, by default the current one, such as 2026-01-31T12:00:00Z.
    package static func isoDate(secondsSince1970: Int = secondsSince1970()) -> String {
        // The year has four digits; a file may contain any number of seconds.
        var seconds = min(max(secondsSince1970, 0), 253_402_300_799)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ value: Int32, _ width: Int = 2) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))"
            + "T\(padded(parts.tm_hour)):\(padded(parts.tm_min)):\(padded(parts.tm_sec))Z"
    }
}
