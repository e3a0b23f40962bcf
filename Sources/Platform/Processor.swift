// SPDX-License-Identifier: Apache-2.0
// How many threads are worth starting: the physical cores that this process may use. A second thread on the
// same core shares its multipliers and its cache, so kernels gain nothing from it.

import CPlatform
import Glibc

/// The processors that this process may run on.
package enum Processor {
    /// What one thread writes and another reads lies this far apart: two cache lines, since neighbours are fetched in pairs.
    package static let linePairByteCount = 128

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
