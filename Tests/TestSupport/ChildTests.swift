// SPDX-License-Identifier: Apache-2.0
// Tests run once more in a process of their own, with variables that are read only when a process or library starts.

import Glibc

/// What a run of tests in another process printed.
package struct ChildTests: Sendable {
    /// The exit code; minus the signal's number where one ended the process.
    package let status: Int32
    package let output: String

    /// How many tests were run.
    package var count: Int {
        let words = output.split { $0 == " " || $0 == "\n" }
        // "Test run with 12 tests in 1 suite passed"
        return words.indices.last { words[$0] == "run" && $0 + 2 < words.count }.flatMap {
            Int(words[$0 + 2])
        } ?? 0
    }

    /// The lines that say what failed.
    package var failures: String {
        output.split(separator: "\n").filter { $0.contains("✘") || $0.contains("↳") || $0.contains("rror:") }
            .joined(separator: "\n")
    }

    /// Runs tests of this bundle to their end.
    ///
    /// - Parameters:
    ///   - filter: a regular expression of their names.
    ///   - skip: another, of those that are left out.
    ///   - environment: variables that are set or replaced.
    package init(filter: String, skip: String = "^$", environment: [String: String]) {
        var buffer = [CChar](repeating: 0, count: 4096)
        let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        precondition(length > 0, "this process has no file")
        let program = String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let file = TemporaryFolder()
        let path = file.path + "/output"
        let arguments = [program, "--testing-library", "swift-testing", "--filter", filter, "--skip", skip]

        var variables: [String: String] = [:]
        for index in 0... {
            guard let entry = environ[index] else { break }
            let parts = String(cString: entry).split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            variables[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
        }
        variables.merge(environment) { $1 }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        let words = arguments.map { strdup($0) } + [nil]
        let settings = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for word in words + settings { free(word) } }
        var process = pid_t()
        let code = posix_spawn(&process, program, &actions, nil, words, settings)
        precondition(code == 0, "cannot start \(program): error \(code)")
        var state: Int32 = 0
        while waitpid(process, &state, 0) < 0 {}
        let signal = state & 0x7F
        status = signal == 0 ? (state >> 8) & 0xFF : -signal
        output = String(decoding: FolderCopy.bytes(at: path), as: UTF8.self)
    }
}
