// SPDX-License-Identifier: Apache-2.0
// The limits that containers and service managers set, in the file system of control groups version 2.

/// The control groups of this process, innermost first.
enum ControlGroup {
    /// The smallest value of a control file in this process's group and all groups around it.
    static func smallestValue<Value: Comparable>(named name: String, parse: (String) -> Value?) -> Value? {
        values(named: name, parse: parse).min()
    }

    /// The value of a control file in the innermost group that has it.
    static func innermostValue<Value>(named name: String, parse: (String) -> Value?) -> Value? {
        values(named: name, parse: parse).first
    }

    private static func values<Value>(named name: String, parse: (String) -> Value?) -> [Value] {
        // The line of version 2 reads "0::/path".
        let membership = (text(at: "/proc/self/cgroup") ?? "").split(separator: "\n")
        let path = membership.first { $0.hasPrefix("0::/") }?.dropFirst(3) ?? "/"
        var groups = path.split(separator: "/")
        var values: [Value] = []
        while true {
            let folder = (["/sys/fs/cgroup"] + groups).joined(separator: "/")
            if let value = text(at: folder + "/" + name).flatMap(parse) { values.append(value) }
            if groups.popLast() == nil { return values }
        }
    }
}

/// The content of a small text file of the system; nil when there is none.
func text(at path: String) -> String? {
    guard let bytes = try? readFile(path: path, limit: 1 << 20) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
}
