// SPDX-License-Identifier: Apache-2.0
// The built executable as a subprocess: what a user sees, from the outside.

import Formats
import Glibc
import JSON
import TestSupport
import Testing

/// What a run left behind.
struct Outcome {
    /// The exit code; minus the signal's number where one ended the process.
    let status: Int32
    let output: String
    let error: String

    var json: JSON {
        get throws { try JSON.parse(Array(output.utf8)) }
    }

    /// Lines on standard error.
    var errorLines: [Substring] { error.split(separator: "\n", omittingEmptySubsequences: false).dropLast() }
}

/// A folder of one test, and the program run in it.
struct Workplace {
    let folder = TemporaryFolder()
    /// A run that takes longer is killed: the tiny models need milliseconds.
    static let limitSeconds = 120

    /// `tiller`, which is built into the same folder as the tests' own bundle.
    static let executable: String = {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") }
        let own = String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
        for path in [bundle, own].compactMap(\.self) {
            let candidate = path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/tiller"
            if access(candidate, X_OK) == 0 { return candidate }
        }
        return packageRoot + "/.build/release/tiller"
    }()

    static let fixtures = packageRoot + "/Tests/Fixtures/models"

    func path(_ name: String) -> String { folder.path + "/" + name }

    /// Runs `tiller` to its end.
    @discardableResult
    func tiller(_ arguments: String..., input: String = "") -> Outcome {
        run(Self.executable, arguments, input: Array(input.utf8))
    }

    @discardableResult
    func tiller(_ arguments: [String], input: [UInt8] = []) -> Outcome {
        run(Self.executable, arguments, input: input)
    }

    /// Runs a line of shell in which `$tiller` is the program and `$folder` this folder.
    func shell(_ line: String) -> Outcome {
        run("/bin/sh", ["-c", "tiller='\(Self.executable)'; folder='\(folder.path)'; " + line])
    }

    func run(_ program: String, _ arguments: [String], input: [UInt8] = []) -> Outcome {
        let process = start(program, arguments, input: input)
        return finish(process)
    }

    // MARK: - Processes

    /// Starts a program whose standard streams are files of the folder, so that no pipe can fill up.
    func start(_ program: String, _ arguments: [String], input: [UInt8] = []) -> pid_t {
        write(input, to: ".in")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, path(".in"), O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, path(".out"), O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, path(".err"), O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        // Signals as in a terminal, whatever started the tests.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var usual = sigset_t()
        sigemptyset(&usual)
        for signal in [SIGINT, SIGTERM, SIGPIPE] { sigaddset(&usual, signal) }
        posix_spawnattr_setsigdefault(&attributes, &usual)
        // Threads that run tests block signals, and children inherit that.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

        let words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        let environment = ["PATH=/usr/bin:/bin", "HOME=\(folder.path)", "SWIFT_BACKTRACE=enable=no"]
        let variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
        defer { for variable in variables { free(variable) } }
        var process = pid_t()
        let code = posix_spawn(&process, program, &actions, &attributes, words, variables)
        precondition(code == 0, "cannot start \(program): error \(code)")
        return process
    }

    func finish(_ process: pid_t) -> Outcome {
        var status: Int32 = 0
        var rounds = 0
        while waitpid(process, &status, WNOHANG) == 0 {
            usleep(2000)
            rounds += 1
            if rounds == Self.limitSeconds * 500 { kill(process, SIGKILL) }
        }
        let signal = status & 0x7F
        return Outcome(
            status: signal == 0 ? (status >> 8) & 0xFF : -signal, output: text(of: ".out"),
            error: text(of: ".err"))
    }

    // MARK: - Files

    func write(_ bytes: [UInt8], to name: String) {
        let file = fopen(path(name), "w")
        precondition(file != nil, "cannot write \(name)")
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }

    func write(_ text: String, to name: String) { write(Array(text.utf8), to: name) }

    func bytes(of name: String) -> [UInt8] { Self.bytes(at: path(name)) }

    func text(of name: String) -> String { String(decoding: bytes(of: name), as: UTF8.self) }

    static func bytes(at path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { result += chunk[..<count] }
        return result
    }

    /// What tells whether a file has changed; short, because a failed expectation prints it.
    func digest(of name: String) -> String { SHA256.digest(of: bytes(of: name)).description }

    func exists(_ name: String) -> Bool { access(path(name), F_OK) == 0 }

    /// Converts one of the tiny models; returns its path.
    func convert(_ name: String, to file: String = "model.tiller", _ options: String...) -> String {
        let outcome = tiller(["convert", "\(Self.fixtures)/\(name).gguf", path(file)] + options)
        #expect(outcome.status == 0, "\(outcome.error)")
        return path(file)
    }
}

/// Expects the way every failure ends: an exit code, one line that begins with the program's name, no output.
func expectRefusal(
    _ outcome: Outcome, code: Int32, saying words: String...,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(outcome.status == code, "\(outcome.error)", sourceLocation: sourceLocation)
    #expect(outcome.output == "", sourceLocation: sourceLocation)
    // Progress may come first; the error is the last line, and the only one that names the program.
    #expect(
        outcome.errorLines.filter { $0.hasPrefix("tiller: ") }.count == 1, "\(outcome.error)",
        sourceLocation: sourceLocation)
    #expect(
        outcome.errorLines.last?.hasPrefix("tiller: ") == true, "\(outcome.error)",
        sourceLocation: sourceLocation)
    for word in words + ["tiller: "] {
        #expect(outcome.error.contains(word), "\(outcome.error)", sourceLocation: sourceLocation)
    }
    for trace in ["Fatal error", "Optional(", "Error.", "invalidOption", "Usage:"] {
        #expect(!outcome.error.contains(trace), "\(outcome.error)", sourceLocation: sourceLocation)
    }
}
