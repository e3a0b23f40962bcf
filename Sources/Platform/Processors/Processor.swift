// SPDX-License-Identifier: Apache-2.0
// The useful number of threads: the physical cores that this process may use. A second thread on the
// same core shares its multipliers and its cache, so kernels gain nothing from it.

import CPlatform
import Glibc

/// The processors that this process may run on.
package enum Processor {
    /// The distance between data of different threads: two cache lines, since neighbours are fetched in pairs.
    package static let linePairByteCount = 128

    /// The maximum number of processors that Linux supports.
    static let greatestCount = 8192

    /// The number of logical processors that the scheduler may use for this thread, at least 1.
    package static func allowedProcessorCount() -> Int { max(affinity().count, 1) }

    /// Physical cores allowed to this process at its start; see `physicalCoreCount(root:affinity:)`.
    package static let ownCoreCount = physicalCoreCount(groups: .ofThisProcess, affinity: affinity())

    /// Physical cores allowed to a process by its affinity, its cpusets and its CPU quota, at least 1.
    ///
    /// A quota is rounded up: 1.5 processors justify two threads, which share the quota.
    /// - Parameters:
    ///   - root: a folder with `proc` and `sys`, for tests.
    ///   - affinity: the processors that the scheduler may choose from.
    package static func physicalCoreCount(root: String, affinity: [Int]) -> Int {
        physicalCoreCount(groups: ControlGroups(root: root), affinity: affinity)
    }

    private static func physicalCoreCount(groups: ControlGroups, affinity: [Int]) -> Int {
        let allowed = groups.allowedProcessors().map { affinity.filter($0.contains) } ?? affinity
        return physicalCoreCount(
            // If the lists contradict each other, the scheduler's affinity decides.
            processors: allowed.isEmpty ? affinity : allowed,
            siblings: { processor in
                let topology = groups.root + "/sys/devices/system/cpu/cpu\(processor)/topology/"
                return text(at: topology + "core_cpus_list") ?? text(at: topology + "thread_siblings_list")
            },
            quota: groups.processorQuota())
    }

    /// The count from its inputs, each of which may be missing.
    /// - Parameters:
    ///   - processors: numbers of the logical processors allowed.
    ///   - siblings: the processors that share a core with a processor, in the system's notation ("0,4" or "0-1").
    ///   - quota: processor time allowed per elapsed time.
    package static func physicalCoreCount(
        processors: [Int], siblings: (Int) -> String?, quota: Double?
    ) -> Int {
        // All siblings report the same list, which identifies their core; a processor without a list is its own core.
        let cores = Set(processors.map { processor in siblings(processor) ?? "\(processor)" })
        guard let quota else { return max(cores.count, 1) }
        // A fraction of a core still needs a thread: round up.
        return max(min(cores.count, Int(min(quota.rounded(.up), 1e6))), 1)
    }

    private static func affinity() -> [Int] {
        var mask = [UInt64](repeating: 0, count: greatestCount / 64)
        let byteCount = mask.withUnsafeMutableBytes {
            platform_affinity($0.baseAddress, UInt($0.count))
        }
        guard byteCount > 0 else { return Array(0..<max(Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))), 1)) }
        return (0..<mask.count * 64).filter { mask[$0 / 64] >> ($0 % 64) & 1 == 1 }
    }
}
