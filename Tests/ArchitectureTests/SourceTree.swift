// SPDX-License-Identifier: Apache-2.0
// The project's own files as text: what the checks of this folder read.

import Glibc
import Platform
import TestSupport

/// One file of the project.
struct ProjectFile {
    /// Path from the package's root.
    let path: String
    let text: String

    var name: Substring { path.split(separator: "/").last ?? "" }
    /// The folder below `Sources` or `Tests`: a module's name.
    var module: Substring { path.split(separator: "/").dropFirst().first ?? "" }

    /// Lines with their numbers, from 1 on.
    var lines: [(number: Int, text: Substring)] {
        text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().map { ($0 + 1, $1) }
    }

    init(_ path: String) throws {
        self.path = path
        text = String(decoding: try readFile(path: "\(packageRoot)/\(path)", limit: 1 << 24), as: UTF8.self)
    }
}

enum ProjectTree {
    /// Paths of all files below a folder, from the package's root, sorted; hidden files are left out.
    static func paths(under folder: String) -> [String] {
        guard let stream = opendir("\(packageRoot)/\(folder)") else { return [] }
        defer { closedir(stream) }
        var result: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(".") || name == "__pycache__" { continue }
            let isFolder = entry.pointee.d_type == UInt8(DT_DIR)
            result += isFolder ? paths(under: "\(folder)/\(name)") : ["\(folder)/\(name)"]
        }
        return result.sorted()
    }

    /// Files below a folder whose name ends in one of the suffixes.
    static func files(under folder: String, _ suffixes: String...) throws -> [ProjectFile] {
        try paths(under: folder).filter { path in suffixes.contains { path.hasSuffix($0) } }.map(
            ProjectFile.init)
    }

    /// Every Swift file and C header.
    static func sources() throws -> [ProjectFile] {
        try files(under: "Sources", ".swift", ".h") + files(under: "Tests", ".swift")
            + [ProjectFile("Package.swift")]
    }

    /// Scripts: what stands in `tools` without a suffix, and what continuous integration starts.
    static func scripts() throws -> [ProjectFile] {
        let tools = paths(under: "tools").filter { !$0.contains(".") }
        return try (tools + [".ci/run"]).map(ProjectFile.init)
    }

    /// What people read.
    static func documents() throws -> [ProjectFile] {
        try [ProjectFile("README.md")]
            + ["formats", "tools", "Sources"].flatMap { try files(under: $0, ".md") }
            + files(under: "Tests", ".md")
    }
}

/// The folder of the running tests' executable, where the other products are too.
let productFolder: String = {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let count = readlink("/proc/self/exe", &path, Int(PATH_MAX))
    let parts = String(
        decoding: path.prefix(max(count, 0)).map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self
    )
    .split(separator: "/")
    return "/" + parts.dropLast().joined(separator: "/")
}()

/// Runs a shell command in the package's root; returns its exit status and all that it printed.
func shell(_ command: String) -> (status: Int32, output: String) {
    guard let pipe = popen("cd '\(packageRoot)' && { \(command); } 2>&1 </dev/null", "r") else {
        return (-1, "")
    }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = fread(&chunk, 1, chunk.count, pipe)
        if count == 0 { break }
        bytes += chunk[..<count]
    }
    let status = pclose(pipe)
    // The exit code is the second byte, a signal the first.
    return (
        status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F, String(decoding: bytes, as: UTF8.self)
    )
}
