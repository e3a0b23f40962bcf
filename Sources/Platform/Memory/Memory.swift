// SPDX-License-Identifier: Apache-2.0
// How much memory this process uses, and how much there is: what the system itself reports.

import Glibc

/// The memory of this process.
package enum ProcessMemory {
    /// Bytes in physical memory now, mapped files included; 0 if the system does not say.
    package static func residentByteCount() -> Int { statusValue("VmRSS") }

    /// The most bytes that were in physical memory at once; 0 if the system does not say.
    package static func peakResidentByteCount() -> Int { statusValue("VmHWM") }

    private static func statusValue(_ name: String) -> Int {
        text(at: "/proc/self/status").flatMap { kilobytes(name, in: $0) } ?? 0
    }

    /// The value in bytes of a line such as "VmRSS:  1234 kB".
    package static func kilobytes(_ name: String, in content: String) -> Int? {
        // By bytes, which takes a tenth of the time that characters do.
        let start = Array((name + ":").utf8)
        for line in content.utf8.split(separator: UInt8(ascii: "\n")) where line.starts(with: start) {
            let fields = Substring(line.dropFirst(start.count)).split(whereSeparator: \.isWhitespace)
            guard fields.count == 2, fields[1] == "kB", let value = Int(fields[0]), value >= 0 else {
                return nil
            }
            let (bytes, overflow) = value.multipliedReportingOverflow(by: 1024)
            return overflow ? nil : bytes
        }
        return nil
    }
}

/// The memory of the machine, or of the container that this process runs in.
package enum SystemMemory {
    /// Bytes that can be used without pushing out others: the smaller of what the system calls available
    /// and what the control groups leave. `Int.max` if neither is known.
    /// - Parameter root: a folder with `proc` and `sys`, for tests.
    package static func availableByteCount(root: String = "") -> Int {
        let system =
            text(at: root + "/proc/meminfo").flatMap { ProcessMemory.kilobytes("MemAvailable", in: $0) }
            ?? .max
        let groups = root.isEmpty ? .ofThisProcess : ControlGroups(root: root)
        return min(system, groups.memoryLeft() ?? .max)
    }
}
