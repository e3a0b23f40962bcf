// SPDX-License-Identifier: Apache-2.0
// Downloads from a server that plays the Hub, with all that goes wrong between here and there.

import Formats
import Glibc
import Hub
import Platform
import TestSupport
import Testing

@Suite(.enabled(if: HubServer.isAvailable)) struct DownloadTests {
    private let repositories: TinyRepositories

    init() throws { repositories = try TinyRepositories() }

    /// The error of a download.
    private func failure(
        _ name: String = "tiny/model", _ scenario: String = "plain", token: String? = nil,
        isOffline: Bool = false
    ) throws -> HubError? {
        #expect(throws: HubError.self) {
            try repositories.download(name, scenario, token: token, isOffline: isOffline)
        }
    }

    // MARK: - What arrives

    @Test(arguments: [
        "plain", "redirect", "expiring", "limited", "flaky", "noranges", "wrongranges", "short", "pages",
        "escape",
    ])
    func aModelArrivesWhateverHappensOnTheWay(scenario: String) throws {
        let download = try repositories.download("tiny/model", scenario)
        #expect(download.path == repositories.downloads + "/tiny/model")
        for file in ["config.json", "tokenizer.json", "model.safetensors"] {
            #expect(repositories.has("tiny/model/\(file)"))
        }
        // Nothing else: neither other forms of the weights nor parts.
        let names = Folder.names(in: download.path)
        #expect(names == [".download.json", "config.json", "model.safetensors", "tokenizer.json"])
        #expect(Folder.names(in: repositories.downloads + "/tiny") == ["model"])
        #expect(download.fetchedByteCount == TinyRepositories.weightsByteCount + 600)
    }

    @Test func largeFilesComeInRangesAndSmallOnesWhole() throws {
        var steps: [Int] = []
        _ = try repositories.download { done, total in
            steps.append(done)
            #expect(total == TinyRepositories.weightsByteCount + 600)
        }
        #expect(steps == steps.sorted() && steps.last == TinyRepositories.weightsByteCount + 600)
        let requests = try repositories.requests()
        let ranges = requests.filter { $0.path.hasSuffix("model.safetensors") }.compactMap(\.range)
        let expected = (0..<11).map { "bytes=\($0 * 1000)-\(min($0 * 1000 + 999, 10_006))" }
        #expect(Set(ranges) == Set(expected) && ranges.count == 11)
        #expect(requests.filter { $0.path.hasSuffix("config.json") }.map(\.range) == [nil])
    }

    @Test func whatIsThereIsNotFetchedAgain() throws {
        _ = try repositories.download()
        let before = try repositories.requests().count
        #expect(try repositories.download().fetchedByteCount == 0)
        #expect(try repositories.requests().count == before + 2, "nothing but the list")
        // A new commit with another file.
        TinyRepositories.write([1, 2, 3], to: repositories.served + "/tiny/model/config.json")
        #expect(try repositories.download().fetchedByteCount == 3)
        #expect(repositories.has("tiny/model/config.json"))
    }

    @Test func whatOnlyAFormerCommitHadGoes() throws {
        let template = repositories.served + "/tiny/model/chat_template.jinja"
        TinyRepositories.write([1], to: template)
        let folder = try repositories.download().path
        #expect(repositories.has("tiny/model/chat_template.jinja"))
        unlink(template)
        #expect(try repositories.download().fetchedByteCount == 0)
        #expect(
            Folder.names(in: folder) == [
                ".download.json", "config.json", "model.safetensors", "tokenizer.json",
            ])
    }

    @Test func aBrokenDownloadGoesOnWhereItWas() throws {
        #expect(try failure("tiny/model", "damaged")?.reason == .damaged)
        let part = repositories.downloads + "/tiny/model/model.safetensors.part"
        #expect(access(part, F_OK) != 0, "damaged bytes are kept")

        // The first three pieces have arrived.
        let data = try #require(
            SharedData.contents(of: repositories.served + "/tiny/model/model.safetensors"))
        try repositories.leavePart(of: data, pieces: 3)
        _ = try repositories.download()
        #expect(repositories.has("tiny/model/model.safetensors"))
        let ranges = try repositories.requests().filter {
            $0.path.contains("/plain/") && $0.path.hasSuffix(".safetensors")
        }
        #expect(ranges.count == 8)
        #expect(
            !ranges.contains { $0.range == "bytes=0-999" }
                && ranges.contains { $0.range == "bytes=3000-3999" })
    }

    @Test func twoProcessesDoNotMixTheirBytes() throws {
        let data = try #require(
            SharedData.contents(of: repositories.served + "/tiny/model/model.safetensors"))
        let other = try repositories.part(of: data)
        let error = #expect(throws: FileError.self) { try repositories.download() }
        #expect(error?.operation == .lock)
        withExtendedLifetime(other) {}
    }

    @Test func offlineNeedsWhatIsThere() throws {
        #expect(try failure(isOffline: true)?.reason == .offline)
        _ = try repositories.download()
        #expect(try repositories.download(isOffline: true).path == repositories.downloads + "/tiny/model")
        #expect(try failure("tiny/gguf", isOffline: true)?.reason == .offline)
        unlink(repositories.downloads + "/tiny/model/tokenizer.json")
        #expect(try failure(isOffline: true)?.reason == .offline)
    }

    @Test func theTokenGoesToTheHubOnly() throws {
        #expect(try failure("tiny/model", "token")?.reason == .denied)
        _ = try repositories.download("tiny/model", "token", token: "secret")
        let requests = try repositories.requests().filter { $0.path.hasPrefix("/token/") }
        let stored = requests.filter { $0.host.hasPrefix("localhost") }
        #expect(!stored.isEmpty && stored.allSatisfy { $0.token == nil })
        #expect(requests.contains { $0.host.hasPrefix("127.0.0.1") && $0.token == "Bearer secret" })
    }

    @Test func aRevisionHasAFolderOfItsOwn() throws {
        let download = try repositories.download("tiny/model@refs/pr/1")
        #expect(download.path == repositories.downloads + "/tiny/model@refs-pr-1")
        #expect(try failure("tiny/model@v9")?.description.contains("no such revision") == true)
    }

    // MARK: - What cannot arrive

    @Test(arguments: [
        ("tiny/model", "denied", HubError.Reason.denied, "HF_TOKEN"),
        ("tiny/model", "missing", .notFound, "no such model"),
        ("tiny/other", "plain", .notFound, "tiny/other"),
        ("tiny/model", "paused", .tooManyRequests, "3600 s"), ("tiny/model", "down", .unreachable, "503"),
        ("tiny/model", "nonsense", .invalidAnswer, "JSON"),
        ("tiny/model", "loop", .invalidAnswer, "redirects"),
        ("tiny/model", "downgrade", .invalidAnswer, "ftp://"),
        ("tiny/model", "longer", .invalidAnswer, "more than"),
        ("tiny/model", "unlisted", .invalidAnswer, "size"), ("tiny/model", "damaged", .damaged, "SHA-256"),
        ("tiny/nothing", "plain", .noModel, "neither safetensors"),
        ("tiny/gguf:Q3_K_S", "plain", .noModel, "Q4_K_M, Q8_0"),
        ("tiny/model:Q8_0", "plain", .noModel, "no GGUF"),
    ])
    func anErrorSaysWhatToDo(name: String, scenario: String, reason: HubError.Reason, word: String) throws {
        let error = try failure(name, scenario)
        #expect(
            error?.reason == reason && error?.description.contains(word) == true,
            "\(String(describing: error))")
        #expect(access(repositories.downloads + "/tiny/model/model.safetensors", F_OK) != 0)
    }

    @Test func aServerThatDoesNotAnswerIsNamed() throws {
        let settings = HubSettings(endpoint: try WebAddress("http://127.0.0.1:1"))
        let error = #expect(throws: HubError.self) {
            try Hub(settings, pause: 0.02).download(RepositoryName("a/b"), into: repositories.downloads) {
                _, _ in
            }
        }
        #expect(error?.reason == .unreachable && error?.description.contains("127.0.0.1:1") == true)
    }

    // MARK: - Which files

    @Test(arguments: [
        ("tiny/gguf", ["m-Q8_0.gguf"]), ("tiny/gguf:q4_k_m", ["m-Q4_K_M.gguf"]),
        ("tiny/gguf:IQ2_XS", ["m.iq2_xs.gguf"]),
        ("tiny/gguf:BF16", ["BF16/m-BF16-00001-of-00002.gguf", "BF16/m-BF16-00002-of-00002.gguf"]),
    ])
    func aTypeChoosesAGGUF(name: String, files: [String]) throws {
        let download = try repositories.download(name)
        #expect(download.choice.files.map(\.path) == files)
        #expect(download.path == repositories.downloads + "/tiny/gguf/" + files[0])
        for file in files { #expect(repositories.has("tiny/gguf/" + file)) }
    }
}

extension TinyRepositories {
    /// What a download of a file leaves if it ends after some pieces.
    func part(of data: [UInt8]) throws -> ResumableFile {
        try Folder.create(downloads + "/tiny/model")
        return try ResumableFile(
            path: downloads + "/tiny/model/model.safetensors", byteCount: data.count, pieceByteCount: 1000,
            identity: Hub.identity(
                of: HubFile(
                    path: "model.safetensors", byteCount: data.count,
                    contentID: SHA256.digest(of: data).description, isLarge: true),
                pieceByteCount: 1000))
    }

    func leavePart(of data: [UInt8], pieces: Int) throws {
        let part = try part(of: data)
        try data.withUnsafeBytes {
            try part.write(UnsafeRawBufferPointer(rebasing: $0[..<(pieces * 1000)]), at: 0)
        }
        try part.complete(0..<pieces * 1000)
    }
}
