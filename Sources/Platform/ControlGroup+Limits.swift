// SPDX-License-Identifier: Apache-2.0
// What control groups allow: processor time, processors, memory. A group's limit holds for everything below it, so the
// tightest of a process's group and all groups around it counts.

extension ControlGroups {
    /// Processor time allowed per time passed, such as 1.5 processors; nil for no limit.
    package func processorQuota() -> Double? {
        folders(of: "cpu").compactMap { folder in
            if let quota = content("cpu.max", in: folder).flatMap(Self.parseQuota) { return quota }
            // Version 1 has quota and period in a file each.
            guard let quota = content("cpu.cfs_quota_us", in: folder),
                let period = content("cpu.cfs_period_us", in: folder)
            else { return nil }
            return Self.parseQuota(quota + " " + period)
        }.min()
    }

    /// The logical processors that cpusets allow; nil for no limit.
    package func allowedProcessors() -> Set<Int>? {
        folders(of: "cpuset").compactMap { folder in
            ["cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"].lazy
                .compactMap { content($0, in: folder).flatMap(Self.parseProcessors) }.first
        }.reduce(nil) { allowed, list in allowed?.intersection(list) ?? list }
    }

    /// Bytes that can still be used before a limit is reached; nil for no limit.
    package func memoryLeft() -> Int? {
        folders(of: "memory").compactMap(memoryLeft).min()
    }

    /// What one group leaves: its limit less what it uses. Pages of files count as used there, though the group gives them
    /// back when it needs room.
    private func memoryLeft(in folder: String) -> Int? {
        let statistics = content("memory.stat", in: folder) ?? ""
        let limits = [
            content("memory.max", in: folder).flatMap(Self.wholeNumber),
            content("memory.limit_in_bytes", in: folder).flatMap(Self.wholeNumber),
            // Version 1 also tells the tightest limit around the group, which a container cannot see else.
            Self.sum(of: ["hierarchical_memory_limit"], in: statistics),
        ]
        guard let limit = limits.compactMap(\.self).min() else { return nil }
        let used = ["memory.current", "memory.usage_in_bytes"].lazy
            .compactMap { content($0, in: folder).flatMap(Self.wholeNumber) }.first
        let filePages = Self.filePageByteCount(statistics) ?? 0
        return max(limit - max((used ?? 0) - filePages, 0), 0)
    }

    private func content(_ name: String, in folder: String) -> String? { text(at: folder + "/" + name) }
}

// MARK: - Contents of control files

extension ControlGroups {
    /// Processors per time passed from quota and period ("200000 100000"); nil for no limit ("max 100000", "-1 100000").
    package static func parseQuota(_ content: String) -> Double? {
        let fields = content.split(whereSeparator: \.isWhitespace)
        guard fields.count == 2, let quota = Double(fields[0]), let period = Double(fields[1]),
            quota > 0, period > 0, quota.isFinite, period.isFinite
        else { return nil }
        return quota / period
    }

    /// Numbers from a list such as "0-3,8"; nil for an empty or damaged one, which allows nothing to be said.
    package static func parseProcessors(_ content: String) -> Set<Int>? {
        var numbers: Set<Int> = []
        let list = content.split(whereSeparator: \.isWhitespace)
        guard list.count == 1 else { return nil }
        for part in list[0].split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
                first >= 0, first <= last, last < Processor.greatestCount
            else { return nil }
            numbers.formUnion(first...last)
        }
        return numbers
    }

    /// Bytes of a group's pages of files, and of the groups in it, as its `memory.stat` tells.
    package static func filePageByteCount(_ content: String) -> Int? {
        // Version 1 counts the groups in it only under other names.
        sum(of: ["total_active_file", "total_inactive_file"], in: content)
            ?? sum(of: ["active_file", "inactive_file"], in: content)
    }

    /// The sum of named values, one a line; nil where there is none of them.
    private static func sum(of names: [Substring], in content: String) -> Int? {
        let values = content.split(separator: "\n").compactMap { line -> Int? in
            let fields = line.split(separator: " ")
            guard fields.count == 2, names.contains(fields[0]) else { return nil }
            return wholeNumber(String(fields[1]))
        }
        return values.isEmpty
            ? nil : values.reduce(0) { $0.addingReportingOverflow($1).overflow ? .max : $0 + $1 }
    }

    private static func wholeNumber(_ content: String) -> Int? {
        content.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
    }
}
