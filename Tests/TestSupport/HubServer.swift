// SPDX-License-Identifier: Apache-2.0
// A server on this machine that plays the Hugging Face Hub.

import Glibc

/// The server of `Tests/Fixtures/hub/server.py`; it ends with the last reference.
package final class HubServer: Sendable {
    private static let program = "/usr/bin/env"
    private let process: pid_t
    private let output = TemporaryFolder()
    package let port: Int

    /// Whether the machine has Python, which the server needs.
    package static let isAvailable = HubServer(serving: "/nowhere") != nil

    /// Starts the server; nil if that is not possible.
    ///
    /// - Parameter folder: what it serves: OWNER/NAME/FILE.
    package init?(serving folder: String) {
        let path = output.path + "/port"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        let script = packageRoot + "/Tests/Fixtures/hub/server.py"
        let arguments: [String] = [Self.program, "python3", script, folder]
        let words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var process = pid_t()
        let code = posix_spawn(&process, Self.program, &actions, nil, words, environ)
        var port = 0, status: Int32 = 0, rounds = 0
        // Its first line is its port.
        var isRunning = code == 0
        while isRunning, port == 0, rounds < 3000 {
            usleep(10_000)
            rounds += 1
            isRunning = waitpid(process, &status, WNOHANG) == 0
            let line = String(decoding: SharedData.contents(of: path) ?? [], as: UTF8.self)
            if line.hasSuffix("\n") { port = Int(line.dropLast()) ?? 0 }
        }
        self.process = isRunning ? process : 0
        self.port = port
        guard port > 0 else { return nil }
    }

    deinit {
        guard process > 0 else { return }
        // Threads that run tests block other signals, and children inherit that.
        kill(process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }
}
