// SPDX-License-Identifier: Apache-2.0
// The location of the running program's own file.

import CPlatform
import Glibc

package enum OwnExecutable {
    /// Paths that may lead to it, the best one first: the system's link, which needs /proc, then the name that
    /// started the program.
    package static var paths: [String] {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        var paths = count > 0 ? [String(decoding: buffer[..<count], as: UTF8.self), "/proc/self/exe"] : []
        if let name = platform_executed_path() { paths.append(String(cString: name)) }
        return paths
    }

    /// The program's arguments, its own name first, as bytes: Swift's `CommandLine` reads them from /proc
    /// and has none if /proc is missing.
    package static var arguments: [[UInt8]] {
        var count = 0
        guard let words = platform_initial_arguments(&count) else { return [] }
        return (0..<count).map { index in
            guard let word = words[index] else { return [] }
            return UnsafeBufferPointer(start: word, count: strlen(word)).map { UInt8(bitPattern: $0) }
        }
    }
}
