// SPDX-License-Identifier: Apache-2.0
// The memory use of this process, and the available memory, as the system reports them.

import Glibc

/// The memory of this process.
package enum ProcessMemory {
    /// Bytes in physical memory now, mapped files included; 0 if the system does not report it.
    package static func residentByteCount() -> Int { statusValue("VmRSS") }

    /// The peak number of bytes in physical memory; 0 if the system does not report it.
    package static func peakResidentByteCount() -> Int { statusValue("VmHWM") }

    private static func statusValue(_ name: String) -> Int {
        text(at: "/proc/self/status").flatMap { kilobytes(name, in: $0) } ?? 0
    }

    /// The value in bytes of a line such as "VmRSS:  1234 kB".
    package static func kilobytes(_ name: String, in content: String) -> Int? {
        // Comparing bytes takes a tenth of the time of comparing characters.
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
    /// Bytes that can be used without evicting other memory: the minimum of the system's available memory
    /// and the control groups' remaining memory. `Int.max` if neither is known.
    /// - Parameter root: a folder with `proc` and `sys`, for tests.
    package static func availableByteCount(root: String = "") -> Int {
        let system =
            text(at: root + "/proc/meminfo").flatMap { ProcessMemory.kilobytes("MemAvailable", in: $0) }
            ?? .max
        let groups = root.isEmpty ? .ofThisProcess : ControlGroups(root: root)
        return min(system, groups.memoryLeft() ?? .max)
    }
}
