// SPDX-License-Identifier: Apache-2.0
// Repositories of a few kilobytes, served on this machine, and a folder for downloads.

import Glibc
import Hub
import JSON
import TestSupport
import Testing

/// A server with repositories, and what downloads from it left behind.
final class TinyRepositories {
    private let folder = TemporaryFolder()
    private let server: HubServer
    var served: String { folder.path + "/served" }
    var downloads: String { folder.path + "/hub" }

    static let weightsByteCount = 10_007

    init() throws {
        let served = folder.path + "/served"
        var generator = SeededGenerator(seed: 7)
        func add(_ path: String, _ byteCount: Int) {
            var made = served
            mkdir(made, 0o700)
            for part in path.split(separator: "/").dropLast() {
                made += "/" + part
                mkdir(made, 0o700)
            }
            Self.write(
                (0..<byteCount).map { _ in UInt8.random(in: 0...255, using: &generator) },
                to: "\(served)/\(path)")
        }
        for file in ["config.json", "tokenizer.json", "README.md", "pytorch_model.bin", "onnx/model.onnx"] {
            add("tiny/model/\(file)", 300)
        }
        add("tiny/model/model.safetensors", Self.weightsByteCount)
        for file in [
            "mmproj-m-f16", "m-Q4_K_M", "m-Q8_0", "m.iq2_xs", "BF16/m-BF16-00001-of-00002",
            "BF16/m-BF16-00002-of-00002",
        ] {
            add("tiny/gguf/\(file).gguf", 2_500)
        }
        add("tiny/nothing/README.md", 10)
        server = try #require(HubServer(serving: served))
    }

    /// The settings with a scenario of the server.
    func settings(_ scenario: String, token: String? = nil, isOffline: Bool = false) throws -> HubSettings {
        HubSettings(
            endpoint: try WebAddress("http://127.0.0.1:\(server.port)/\(scenario)"), token: token,
            isOffline: isOffline)
    }

    /// Downloads in pieces of 1000 bytes.
    func download(
        _ name: String = "tiny/model", _ scenario: String = "plain", token: String? = nil,
        isOffline: Bool = false,
        progress: @escaping (Int, Int) -> Void = { _, _ in }
    ) throws -> Hub.Download {
        let hub = try Hub(
            settings(scenario, token: token, isOffline: isOffline), pieceByteCount: 1000, pause: 0.02)
        return try hub.download(RepositoryName(name), into: downloads, progress: progress)
    }

    /// Whether a file of a repository has arrived as it is served.
    func has(_ path: String) -> Bool {
        let bytes = SharedData.contents(of: "\(downloads)/\(path)")
        return bytes != nil && bytes == SharedData.contents(of: "\(served)/\(path)")
    }

    /// What the server was asked for: host, path, range and token.
    func requests() throws -> [(host: String, path: String, range: String?, token: String?)] {
        let text = SharedData.contents(of: served + ".log") ?? []
        return try text.split(separator: UInt8(ascii: "\n")).map { line in
            let note = try JSON.parse(Array(line))
            return (
                note["host"]?.stringValue ?? "", note["path"]?.stringValue ?? "", note["range"]?.stringValue,
                note["token"]?.stringValue
            )
        }
    }

    static func write(_ bytes: [UInt8], to path: String) {
        let file = fopen(path, "w")
        precondition(file != nil, "cannot write \(path)")
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }
}
