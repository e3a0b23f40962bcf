// SPDX-License-Identifier: Apache-2.0
// A folder that looks like the root of a system, as far as control groups and processors go.

import Glibc
import TestSupport

/// `proc` and `sys` of a machine with 16 processors, two to a core, and 32 GB.
struct SystemImage {
    private let folder = TestSupport.TemporaryFolder()

    var root: String { folder.path }

    /// - Parameters:
    ///   - membership: lines of `/proc/self/cgroup`.
    ///   - mounts: for each hierarchy its type, options of the file system, root and mount point.
    ///   - files: contents by path.
    init(
        membership: [String],
        mounts: [(type: String, options: String, root: String, point: String)], _ files: [String: String]
    ) {
        write(membership.map { $0 + "\n" }.joined(), to: "/proc/self/cgroup")
        let lines = mounts.enumerated().map { number, mount in
            // With and without the optional fields before the dash.
            let optional = number % 2 == 0 ? "shared:7 master:2 " : ""
            return "\(30 + number) 25 0:\(27 + number) \(mount.root) \(mount.point) rw,nosuid \(optional)- "
                + "\(mount.type) \(mount.type) rw,\(mount.options)\n"
        }
        write(
            "22 1 254:0 / / rw - ext4 /dev/vda rw\n23 22 0:22 / /proc rw - proc proc rw\n" + lines.joined(),
            to: "/proc/self/mountinfo")
        write("MemTotal: 40000000 kB\nMemAvailable: 32000000 kB\n", to: "/proc/meminfo")
        for processor in 0..<16 {
            write(
                "\(processor % 8),\(processor % 8 + 8)\n",
                to: "/sys/devices/system/cpu/cpu\(processor)/topology/core_cpus_list")
        }
        for (path, content) in files { write(content + "\n", to: path) }
    }

    private func write(_ content: String, to path: String) {
        var made = root
        for name in path.split(separator: "/").dropLast() {
            made += "/" + name
            mkdir(made, 0o700)
        }
        let file = fopen(root + path, "w")
        precondition(file != nil, "cannot write \(path)")
        fputs(content, file)
        fclose(file)
    }
}
