// SPDX-License-Identifier: Apache-2.0
// Limits are found wherever systems, service managers and containers put them; the tightest counts.

import Platform
import Testing

@Suite struct ControlGroupTests {
    /// What is found in a system whose scheduler allows all 16 processors.
    private func expect(
        _ image: SystemImage, quota: Double? = nil, processors: Set<Int>? = nil, memory: Int? = nil,
        threads: Int = 8, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let groups = ControlGroups(root: image.root)
        #expect(groups.processorQuota() == quota, sourceLocation: sourceLocation)
        #expect(groups.allowedProcessors() == processors, sourceLocation: sourceLocation)
        #expect(groups.memoryLeft() == memory, sourceLocation: sourceLocation)
        #expect(
            Processor.physicalCoreCount(root: image.root, affinity: Array(0..<16)) == threads,
            sourceLocation: sourceLocation)
        #expect(
            SystemMemory.availableByteCount(root: image.root) == min(memory ?? .max, 32_000_000 * 1024),
            sourceLocation: sourceLocation)
    }

    private let version2: [(type: String, options: String, root: String, point: String)] = [
        ("cgroup2", "nsdelegate", "/", "/sys/fs/cgroup")
    ]

    /// Mounts of version 1 as systemd makes them, with joined controllers.
    private func version1(root: String = "/") -> [(
        type: String, options: String, root: String, point: String
    )] {
        [
            ("cgroup", "xattr,name=systemd", root, "/sys/fs/cgroup/systemd"),
            ("cgroup", "cpu,cpuacct", root, "/sys/fs/cgroup/cpu,cpuacct"),
            ("cgroup", "cpuset", root, "/sys/fs/cgroup/cpuset"),
            ("cgroup", "memory", root, "/sys/fs/cgroup/memory"),
        ]
    }

    private func membership(_ path: String) -> [String] {
        ["12:cpuset:\(path)", "5:cpu,cpuacct:\(path)", "4:memory:\(path)", "1:name=systemd:\(path)"]
    }

    // MARK: - Version 2

    @Test func withoutLimitsEverythingIsAllowed() {
        expect(
            SystemImage(
                membership: ["0::/user.slice/session-1.scope"], mounts: version2,
                [
                    "/sys/fs/cgroup/user.slice/session-1.scope/cpu.max": "max 100000",
                    "/sys/fs/cgroup/user.slice/session-1.scope/memory.max": "max",
                    "/sys/fs/cgroup/user.slice/session-1.scope/memory.current": "5000",
                ]))
        expect(SystemImage(membership: [], mounts: [], [:]))
    }

    @Test func aServiceHasItsOwnLimits() {
        let group = "/sys/fs/cgroup/system.slice/tiller.service/"
        expect(
            SystemImage(
                membership: ["0::/system.slice/tiller.service"], mounts: version2,
                [
                    group + "cpu.max": "150000 100000", group + "cpuset.cpus.effective": "0-3,8",
                    group + "memory.max": "1000000", group + "memory.current": "600000",
                    group + "memory.stat": "anon 1\nactive_file 100000\ninactive_file 200000",
                ]),
            // 1.5 processors are worth two threads.
            quota: 1.5, processors: [0, 1, 2, 3, 8], memory: 700_000, threads: 2)
    }

    @Test func theTightestLimitOfAllAncestorsCounts() {
        let slice = "/sys/fs/cgroup/a.slice/"
        expect(
            SystemImage(
                membership: ["0::/a.slice/b.slice/c.scope"], mounts: version2,
                [
                    slice + "cpu.max": "300000 100000", slice + "b.slice/cpu.max": "max 100000",
                    slice + "b.slice/c.scope/cpu.max": "800000 100000",
                    slice + "cpuset.cpus.effective": "0-7", slice + "b.slice/cpuset.cpus.effective": "4-11",
                    // The outer group has less left than the inner one, since others in it use memory.
                    slice + "memory.max": "900000", slice + "memory.current": "800000",
                    slice + "b.slice/c.scope/memory.max": "500000",
                    slice + "b.slice/c.scope/memory.current": "100000",
                ]),
            quota: 3, processors: [4, 5, 6, 7], memory: 100_000, threads: 3)
        expect(
            SystemImage(
                membership: ["0::/a.slice/b.slice/c.scope"], mounts: version2,
                [slice + "cpu.max": "50000 100000", slice + "memory.max": "700000"]),
            quota: 0.5, memory: 700_000, threads: 1)
    }

    @Test func aContainerSeesItsGroupAtTheMountPoint() {
        let files = ["/sys/fs/cgroup/cpu.max": "200000 100000", "/sys/fs/cgroup/memory.max": "4000"]
        // With a namespace of its own, with the host's path, and with a process that was moved in from outside.
        for (path, root) in [
            ("/", "/"), ("/docker/abc", "/docker/abc"), ("/", "/docker/abc"), ("/docker/abc", "/"),
            ("/../init.scope", "/"), ("/", "/../.."), ("/kubepods/pod1/abc", "/kubepods/pod2"),
        ] {
            expect(
                SystemImage(
                    membership: ["0::" + path], mounts: [("cgroup2", "nsdelegate", root, "/sys/fs/cgroup")],
                    files),
                quota: 2, memory: 4000, threads: 2)
        }
    }

    @Test func aGroupBelowTheContainersOwnIsFound() {
        expect(
            SystemImage(
                membership: ["0::/docker/abc/job"],
                mounts: [("cgroup2", "nsdelegate", "/docker/abc", "/sys/fs/cgroup")],
                [
                    "/sys/fs/cgroup/cpu.max": "400000 100000", "/sys/fs/cgroup/job/cpu.max": "90000 100000",
                    "/sys/fs/cgroup/docker/abc/job/cpu.max": "10000 100000",
                ]),
            quota: 0.9, threads: 1)
    }

    @Test func ofSeveralMountsTheOneWithTheGroupIsRead() {
        expect(
            SystemImage(
                membership: ["0::/docker/abc"],
                mounts: [
                    ("cgroup2", "rw", "/docker/other", "/other"),
                    ("cgroup2", "rw", "/docker/abc", "/sys/fs/cgroup"),
                ],
                ["/other/cpu.max": "100000 100000", "/sys/fs/cgroup/cpu.max": "300000 100000"]),
            quota: 3, threads: 3)
    }

    @Test func oddMountPointsAndPathsAreFound() {
        expect(
            SystemImage(
                membership: ["0::/a b/c:d"], mounts: [("cgroup2", "rw", "/", "/my\\040groups\\134x")],
                ["/my groups\\x/a b/c:d/cpu.max": "100000 50000"]),
            quota: 2, threads: 2)
    }

    // MARK: - Version 1

    @Test func version1WithJoinedControllers() {
        expect(
            SystemImage(
                membership: membership("/system.slice/tiller.service"), mounts: version1(),
                [
                    "/sys/fs/cgroup/cpu,cpuacct/system.slice/tiller.service/cpu.cfs_quota_us": "250000",
                    "/sys/fs/cgroup/cpu,cpuacct/system.slice/tiller.service/cpu.cfs_period_us": "100000",
                    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
                    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
                    "/sys/fs/cgroup/cpuset/system.slice/tiller.service/cpuset.cpus": "",
                    "/sys/fs/cgroup/cpuset/system.slice/tiller.service/cpuset.effective_cpus": "2,10,5",
                    "/sys/fs/cgroup/memory/system.slice/tiller.service/memory.limit_in_bytes": "5000000",
                    "/sys/fs/cgroup/memory/system.slice/tiller.service/memory.usage_in_bytes": "4000000",
                    "/sys/fs/cgroup/memory/system.slice/tiller.service/memory.stat":
                        "active_file 1\ninactive_file 2\ntotal_active_file 100\ntotal_inactive_file 1000",
                ]),
            // Processors 2 and 10 share a core.
            quota: 2.5, processors: [2, 5, 10], memory: 1_001_100, threads: 2)
    }

    @Test func version1WithoutLimits() {
        expect(
            SystemImage(
                membership: membership("/user"), mounts: version1(),
                [
                    "/sys/fs/cgroup/cpu,cpuacct/user/cpu.cfs_quota_us": "-1",
                    "/sys/fs/cgroup/cpu,cpuacct/user/cpu.cfs_period_us": "100000",
                    "/sys/fs/cgroup/memory/user/memory.limit_in_bytes": "9223372036854771712",
                ]))
    }

    @Test func version1InAContainerWithoutANamespace() {
        let path = "/docker/0123abc"
        let files = [
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "60000",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "50000",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9000000",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes": "1000000",
            // The limit of a group around the container's.
            "/sys/fs/cgroup/memory/memory.stat": "hierarchical_memory_limit 3000000\ntotal_active_file 0",
        ]
        for root in [path, "/"] {
            expect(
                SystemImage(membership: membership(path), mounts: version1(root: root), files),
                quota: 1.2, memory: 2_000_000, threads: 2)
        }
    }

    @Test func version1NestedGroups() {
        expect(
            SystemImage(
                membership: membership("/a/b"), mounts: version1(),
                [
                    "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "100000",
                    "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000",
                    "/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us": "400000",
                    "/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us": "100000",
                    "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "2000",
                    "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712",
                    "/sys/fs/cgroup/cpuset/a/cpuset.cpus": "3",
                    "/sys/fs/cgroup/cpuset/a/b/cpuset.cpus": "0-15",
                ]),
            quota: 1, processors: [3], memory: 2000, threads: 1)
    }

    // MARK: - Both, and neither

    @Test func controllersOfBothVersionsAreRead() {
        expect(
            SystemImage(
                membership: membership("/v1") + ["0::/v2.scope"],
                mounts: version1() + [("cgroup2", "nsdelegate", "/", "/sys/fs/cgroup/unified")],
                [
                    "/sys/fs/cgroup/cpu,cpuacct/v1/cpu.cfs_quota_us": "500000",
                    "/sys/fs/cgroup/cpu,cpuacct/v1/cpu.cfs_period_us": "100000",
                    "/sys/fs/cgroup/unified/v2.scope/memory.max": "7000",
                    "/sys/fs/cgroup/unified/v2.scope/memory.current": "2000",
                ]),
            quota: 5, memory: 5000, threads: 5)
    }

    @Test func withoutATableOfMountsTheUsualPlacesAreRead() {
        expect(
            SystemImage(
                membership: ["4:memory:/job", "3:cpu:/job", "0::/job"], mounts: [],
                [
                    "/sys/fs/cgroup/job/cpu.max": "400000 100000",
                    "/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "300000",
                    "/sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000",
                    "/sys/fs/cgroup/memory/job/memory.limit_in_bytes": "800",
                ]),
            quota: 3, memory: 800, threads: 3)
    }

    @Test func damagedFilesSayNothing() {
        expect(
            SystemImage(
                membership: ["", "x", "0:", "0::/a", ":::"], mounts: version2,
                [
                    "/sys/fs/cgroup/a/cpu.max": "lots", "/sys/fs/cgroup/a/memory.max": "-5",
                    "/sys/fs/cgroup/a/cpuset.cpus.effective": "0-",
                    "/sys/fs/cgroup/a/memory.stat": "hierarchical_memory_limit\nactive_file x",
                ]))
    }

    @Test func affinityAndCpusetsAreBothObeyed() {
        let image = SystemImage(
            membership: ["0::/"], mounts: version2, ["/sys/fs/cgroup/cpuset.cpus.effective": "0-3"])
        #expect(Processor.physicalCoreCount(root: image.root, affinity: [2, 3, 4, 5]) == 2)
        #expect(Processor.physicalCoreCount(root: image.root, affinity: [3, 11]) == 1)
        // A list that the scheduler contradicts is out of date.
        #expect(Processor.physicalCoreCount(root: image.root, affinity: [4, 5, 6]) == 3)
    }

    @Test func listsOfProcessorsAreReadAsTheSystemWritesThem() {
        #expect(ControlGroups.parseProcessors("0-3,8\n") == [0, 1, 2, 3, 8])
        #expect(ControlGroups.parseProcessors("7") == [7])
        for odd in ["", "\n", "-", "3-1", "a", "1,", ",1", "1-2-3", "0-99999999999", "1 2", "-4"] {
            #expect(ControlGroups.parseProcessors(odd) == nil, "\(odd)")
        }
    }
}
