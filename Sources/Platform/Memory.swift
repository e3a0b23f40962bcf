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
        for line in content.split(separator: "\n") where line.hasPrefix(name + ":") {
            let fields = line.dropFirst(name.utf8.count + 1).split(whereSeparator: \.isWhitespace)
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
    /// and what the control group leaves. `Int.max` if neither is known.
    package static func availableByteCount() -> Int {
        let system =
            text(at: "/proc/meminfo").flatMap { ProcessMemory.kilobytes("MemAvailable", in: $0) } ?? .max
        guard let limit = ControlGroup.smallestValue(named: "memory.max", parse: wholeNumber) else {
            return system
        }
        // The use of the innermost group; that of the groups around it is not ours to judge.
        let used = ControlGroup.innermostValue(named: "memory.current", parse: wholeNumber) ?? 0
        // Pages of files count as used there, though the group gives them back when it needs room.
        let filePages = ControlGroup.innermostValue(named: "memory.stat", parse: filePageByteCount) ?? 0
        return min(system, max(limit - max(used - filePages, 0), 0))
    }

    /// Bytes of a group's pages of files, as its `memory.stat` tells.
    package static func filePageByteCount(_ content: String) -> Int? {
        let values = content.split(separator: "\n").compactMap { line -> Int? in
            let fields = line.split(separator: " ")
            guard fields.count == 2, ["active_file", "inactive_file"].contains(fields[0]) else { return nil }
            return wholeNumber(String(fields[1]))
        }
        return values.isEmpty ? nil : values.reduce(0) { $0.addingReportingOverflow($1).partialValue }
    }

    private static func wholeNumber(_ content: String) -> Int? {
        content.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
    }
}
