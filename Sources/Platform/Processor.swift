// SPDX-License-Identifier: Apache-2.0
// How many threads are worth starting: the physical cores that this process may use. A second thread on the
// same core shares its multipliers and its cache, so kernels gain nothing from it.

import CPlatform
import Glibc

/// The processors that this process may run on.
package enum Processor {
    /// Logical processors that the scheduler may put this thread on, at least 1.
    package static func allowedProcessorCount() -> Int { max(allowedProcessors().count, 1) }

    /// Physical cores allowed to this process by its affinity and its CPU quota, at least 1.
    package static func physicalCoreCount() -> Int {
        physicalCoreCount(
            processors: allowedProcessors(),
            siblings: { processor in
                let topology = "/sys/devices/system/cpu/cpu\(processor)/topology/"
                return text(at: topology + "core_cpus_list") ?? text(at: topology + "thread_siblings_list")
            },
            quota: ControlGroup.smallestValue(named: "cpu.max", parse: parseQuota))
    }

    /// The count from its parts, each of which may be missing.
    /// - Parameters:
    ///   - processors: numbers of the logical processors allowed.
    ///   - siblings: the processors that share a core with one, in the system's words ("0,4" or "0-1").
    ///   - quota: processor time allowed per time passed.
    package static func physicalCoreCount(
        processors: [Int], siblings: (Int) -> String?, quota: Double?
    ) -> Int {
        // Every sibling names its core by the same list; without one, a processor is its own core.
        let cores = Set(processors.map { processor in siblings(processor) ?? "\(processor)" })
        guard let quota else { return max(cores.count, 1) }
        // A share of a core still needs a thread: rounded up.
        return max(min(cores.count, Int(min(quota.rounded(.up), 1e6))), 1)
    }

    /// Processors per time passed from the content of a `cpu.max` file ("200000 100000"); nil for no limit.
    package static func parseQuota(_ content: String) -> Double? {
        let fields = content.split(whereSeparator: \.isWhitespace)
        guard fields.count == 2, let quota = Double(fields[0]), let period = Double(fields[1]),
            quota > 0, period > 0, quota.isFinite, period.isFinite
        else { return nil }
        return quota / period
    }

    private static func allowedProcessors() -> [Int] {
        // 8192 processors, the most that Linux can be built for.
        var mask = [UInt64](repeating: 0, count: 128)
        let byteCount = mask.withUnsafeMutableBytes {
            platform_affinity($0.baseAddress, UInt($0.count))
        }
        guard byteCount > 0 else { return Array(0..<max(Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))), 1)) }
        return (0..<mask.count * 64).filter { mask[$0 / 64] >> ($0 % 64) & 1 == 1 }
    }
}

/// Limits that a control group (version 2) puts on this process; containers are such groups.
enum ControlGroup {
    /// The smallest value of a control file in this process's group and all groups around it.
    static func smallestValue<Value: Comparable>(named name: String, parse: (String) -> Value?) -> Value? {
        // The line of version 2 reads "0::/path".
        let membership = (text(at: "/proc/self/cgroup") ?? "").split(separator: "\n")
        var group = membership.first { $0.hasPrefix("0::") }.map { $0.dropFirst(3) } ?? "/"
        var smallest: Value?
        while true {
            let folder = "/sys/fs/cgroup" + (group == "/" ? "" : group)
            if let value = text(at: folder + "/" + name).flatMap(parse) {
                smallest = min(smallest ?? value, value)
            }
            guard let slash = group.lastIndex(of: "/"), group.count > 1 else { return smallest }
            group = slash == group.startIndex ? "/" : group[..<slash]
        }
    }
}

/// The content of a small text file of the system; nil when there is none.
func text(at path: String) -> String? {
    guard let bytes = try? readFile(path: path, limit: 1 << 20) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
}
