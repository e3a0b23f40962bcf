// SPDX-License-Identifier: Apache-2.0
// The limits of control groups: processor time, processors, memory. A group's limit applies to everything below it, so the
// tightest limit among a process's group and all its ancestors counts.

extension ControlGroups {
    /// Processor time allowed per elapsed time, such as 1.5 processors; nil for no limit.
    package func processorQuota() -> Double? {
        folders(of: "cpu").compactMap { folder in
            if let quota = content("cpu.max", in: folder).flatMap(Self.parseQuota) { return quota }
            // Version 1 stores quota and period in separate files.
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
        var isInnermost = true
        return folders(of: "memory").compactMap { memoryLeft(in: $0, &isInnermost) }.min()
    }

    /// The memory that one group leaves: its limit minus its use. The group's use includes pages of files, which it gives back
    /// when it needs room.
    private func memoryLeft(in folder: String, _ isInnermost: inout Bool) -> Int? {
        func number(_ name: String) -> Int? { content(name, in: folder).flatMap(Self.wholeNumber) }
        // The most expensive of these files: the system computes its sums for every reader.
        lazy var statistics = content("memory.stat", in: folder) ?? ""
        var limit = number("memory.max")
        if limit == nil, let own = number("memory.limit_in_bytes") {
            // Version 1 uses a large number for no limit. It reports to a process's group the tightest limit of its ancestors,
            // which a container cannot see otherwise.
            let around = isInnermost ? Self.sum(of: ["hierarchical_memory_limit"], in: statistics) : nil
            isInnermost = false
            limit = [own, around].compactMap(\.self).filter { $0 < 1 << 62 }.min()
        }
        guard let limit else { return nil }
        let used = number("memory.current") ?? number("memory.usage_in_bytes") ?? 0
        let filePages = Self.filePageByteCount(statistics) ?? 0
        return max(limit - max(used - filePages, 0), 0)
    }

    private func content(_ name: String, in folder: String) -> String? { text(at: folder + "/" + name) }
}

// MARK: - Contents of control files

extension ControlGroups {
    /// Processors per elapsed time from quota and period ("200000 100000"); nil for no limit ("max 100000", "-1 100000").
    package static func parseQuota(_ content: String) -> Double? {
        let fields = content.split(whereSeparator: \.isWhitespace)
        guard fields.count == 2, let quota = Double(fields[0]), let period = Double(fields[1]),
            quota > 0, period > 0, quota.isFinite, period.isFinite
        else { return nil }
        return quota / period
    }

    /// Numbers from a list such as "0-3,8"; nil for an empty or damaged list, which gives no information.
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

    /// Bytes of file pages of a group and its descendants, from its `memory.stat`.
    package static func filePageByteCount(_ content: String) -> Int? {
        // Version 1 includes descendants only under other names.
        sum(of: ["total_active_file", "total_inactive_file"], in: content)
            ?? sum(of: ["active_file", "inactive_file"], in: content)
    }

    /// The sum of named values, one per line; nil if none of them exists.
    private static func sum(of names: [String], in content: String) -> Int? {
        // Process bytes, not characters: there may be more than a thousand lines.
        let values = content.utf8.split(separator: UInt8(ascii: "\n")).compactMap { line -> Int? in
            guard let space = line.firstIndex(of: UInt8(ascii: " ")),
                names.contains(where: { $0.utf8.elementsEqual(line[..<space]) })
            else { return nil }
            return wholeNumber(String(Substring(line[space...])))
        }
        return values.isEmpty
            ? nil : values.reduce(0) { $0.addingReportingOverflow($1).overflow ? .max : $0 + $1 }
    }

    private static func wholeNumber(_ content: String) -> Int? {
        content.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
    }
}
