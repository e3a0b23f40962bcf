// SPDX-License-Identifier: Apache-2.0
// The locations of this process's control groups: cgroups(7), versions 1 and 2, alone or together, in containers too.
//
// `/proc/self/cgroup` names the process's group in each hierarchy; `/proc/self/mountinfo` lists where hierarchies, or parts of
// them, are mounted. A container often sees only its own part: then its group is the mount point itself.

/// The control groups of this process, whose files hold the limits that containers and service managers set.
package struct ControlGroups {
    /// A hierarchy, or a part of it, in the file system.
    private struct Mount {
        let point: String
        /// The group at the mount point, as a path within the hierarchy.
        var root = "/"
        /// Controllers of version 1; nil for version 2, which has one hierarchy for all.
        let controllers: [Substring]?

        /// The part of a group's path below the mount point; nil if the group is not under it.
        func relativePath(of group: String) -> String? {
            guard !group.split(separator: "/").contains("..") else { return nil }
            guard root != "/" else { return group }
            guard group == root || group.hasPrefix(root + "/") else { return nil }
            return String(group.dropFirst(root.count))
        }
    }

    /// The folder that contains `proc` and `sys`; empty for the system's own.
    let root: String
    private let mounts: [Mount]
    /// Lines of `/proc/self/cgroup`: controllers (none for version 2) and the group's path.
    private let memberships: [(controllers: [Substring], path: String)]

    /// The groups of this process at its start: reading them takes longer than all other start-up queries of the system.
    static let ofThisProcess = ControlGroups()

    /// Finds the process's groups.
    /// - Parameter root: a folder with `proc` and `sys`, for tests.
    package init(root: String = "") {
        self.root = root
        memberships = (text(at: root + "/proc/self/cgroup") ?? "").split(separator: "\n").compactMap {
            // "4:cpu,cpuacct:/path", "0::/path"; a path may hold colons.
            let fields = $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            return fields.count == 3 ? (fields[1].split(separator: ","), String(fields[2])) : nil
        }
        mounts = (text(at: root + "/proc/self/mountinfo") ?? "").utf8.split(separator: UInt8(ascii: "\n"))
            .compactMap { Self.mount(Substring($0)) }
    }

    /// The groups in which a controller limits this process, innermost first, as folders.
    func folders(of controller: String) -> [String] {
        let listed = mounts.filter { $0.controllers.map { $0.contains { $0 == controller } } ?? true }
        // The usual locations, in case the mount table is not readable or does not list them.
        let usual = [
            Mount(point: "/sys/fs/cgroup/" + controller, controllers: [controller[...]]),
            Mount(point: "/sys/fs/cgroup", controllers: nil),
        ].filter { mount in !listed.contains { $0.point == mount.point } }
        return [true, false].flatMap { isFirstVersion in
            let path = memberships.first {
                isFirstVersion ? $0.controllers.contains { $0 == controller } : $0.controllers.isEmpty
            }?.path
            let candidates = listed.filter { ($0.controllers != nil) == isFirstVersion }
            let containing = candidates.filter { $0.relativePath(of: path ?? "/") != nil }
            // In a container the path may be valid only on the host.
            let chosen = containing.isEmpty ? candidates : containing
            return (chosen + usual.filter { ($0.controllers != nil) == isFirstVersion }).flatMap {
                Self.ancestors($0.relativePath(of: path ?? "/") ?? "", below: root + $0.point)
            }
        }
    }

    /// The group at a path and its ancestors up to the mount point.
    private static func ancestors(_ path: String, below point: String) -> [String] {
        let names = path.split(separator: "/")
        return (0...names.count).reversed().map { ([point[...]] + names[..<$0]).joined(separator: "/") }
    }

    /// A line of `mountinfo` (proc_pid_mountinfo(5)): number, parent, device, root, point, options, further fields, "-",
    /// type, source, options of the file system.
    private static func mount(_ line: Substring) -> Mount? {
        // Split bytes: splitting characters would take a millisecond for a table of usual length.
        let fields = line.utf8.split(separator: UInt8(ascii: " ")).map(Substring.init)
        guard fields.count >= 10, let dash = fields[6...].firstIndex(of: "-"), fields.count > dash + 3 else {
            return nil
        }
        let type = fields[dash + 1]
        guard type == "cgroup" || type == "cgroup2" else { return nil }
        return Mount(
            point: unescaped(fields[4]), root: unescaped(fields[3]),
            controllers: type == "cgroup" ? fields[dash + 3].split(separator: ",") : nil)
    }

    /// Decodes a path in which spaces and similar characters are octal numbers ("\040").
    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(field.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(3), as: UTF8.self)
            if byte == UInt8(ascii: "\\"), digits.utf8.count == 3, let code = UInt8(digits, radix: 8) {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The content of a small text file of the system; nil if there is none.
func text(at path: String) -> String? {
    guard let bytes = try? readFile(path: path, limit: 1 << 24) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
}
