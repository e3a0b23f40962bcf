// SPDX-License-Identifier: Apache-2.0
// Downloads models from the Hugging Face Hub, or a server with the same interface.

import Formats
import Glibc
import JSON
import Platform

/// The Hub, as a folder of downloads uses it.
package final class Hub {
    private let settings: HubSettings
    private let client: HTTPClient?
    /// The size of the ranges in which large files are fetched.
    private let pieceByteCount: Int

    private static let maximumAnswerByteCount = 32 << 20
    /// Pages of up to 1000 files each.
    private static let maximumPageCount = 20

    /// - Parameters:
    ///   - pieceByteCount: the size of the ranges in which large files are fetched.
    ///   - pause: seconds to wait after a first failure.
    ///   - notice: called with a sentence about a pause that the server asks for.
    /// - Throws: `HubError.libraryMissing`.
    package init(
        _ settings: HubSettings, pieceByteCount: Int = 16 << 20, pause: Double = 0.5,
        notice: @escaping (String) -> Void = { _ in }
    ) throws(HubError) {
        self.settings = settings
        self.pieceByteCount = pieceByteCount
        client = settings.isOffline ? nil : try HTTPClient(settings, pause: pause, notice: notice)
    }

    /// A downloaded model.
    package struct Download: Sendable {
        /// The path to give to a command.
        package let path: String
        package let choice: FileChoice
        /// The bytes of the files that were not there yet.
        package let fetchedByteCount: Int
    }

    /// Downloads the files of a model that are not there yet, or complete those that are there in part.
    ///
    /// - Parameters:
    ///   - downloads: the folder of all downloads.
    ///   - progress: called with the bytes that are there and the bytes in all.
    /// - Throws: `HubError`, or `FileError` if the folder cannot be written.
    package func download(
        _ name: RepositoryName, into downloads: String, progress: @escaping (Int, Int) -> Void
    ) throws -> Download {
        let folder = "\(downloads)/\(name.folder)"
        var record = DownloadRecord(folder: folder)
        guard client != nil else {
            guard let choice = record.choices[name.tag ?? ""], choice.files.allSatisfy(record.has) else {
                throw HubError(.offline, "\(name) is not downloaded, and HF_HUB_OFFLINE forbids to fetch it")
            }
            return download(of: choice, in: folder, fetched: 0)
        }
        let listing = try listing(of: name)
        let choice = try FileChoice(name, in: listing)
        let missing = choice.files.filter { !record.has($0) }
        let total = missing.reduce(0) { $0 + $1.byteCount }
        try Folder.create(folder)
        var done = 0
        for file in missing {
            let before = done
            try fetch(file, of: name, commit: listing.commit, into: folder) { progress(before + $0, total) }
            try record.add(file)
            done += file.byteCount
        }
        try record.add(choice, tag: name.tag)
        return download(of: choice, in: folder, fetched: total)
    }

    private func download(of choice: FileChoice, in folder: String, fetched: Int) -> Download {
        let path = choice.modelPath.map { "\(folder)/\($0)" } ?? folder
        return Download(path: path, choice: choice, fetchedByteCount: fetched)
    }

    // MARK: - Listing

    /// The files of a repository.
    package func listing(of name: RepositoryName) throws -> HubListing {
        let models = settings.endpoint.appending(["api", "models", name.owner, name.name])
        let about = try json(at: models.appending(["revision", name.revision ?? "main"]), name).body
        guard let commit = about["sha"]?.stringValue, RepositoryName.isName(commit[...]) else {
            throw HubError(.invalidAnswer, "\(name): the Hub names no commit, expected one as 'sha'")
        }
        var files: [HubFile] = []
        var next: WebAddress? = models.appending(["tree", commit], query: "recursive=true")
        for _ in 0...Self.maximumPageCount {
            guard let address = next else { return HubListing(commit: commit, files: files) }
            let page = try json(at: address, name)
            guard let entries = page.body.arrayValue else {
                throw HubError(.invalidAnswer, "\(name): the Hub lists no files, expected an array")
            }
            for entry in entries { if let file = try HubFile(entry) { files.append(file) } }
            next = try page.next.map { try address.following($0) }
        }
        throw HubError(
            .noModel, "\(name) has more than \(Self.maximumPageCount) pages of files, which is no model")
    }

    /// - Returns: the answer, and the address of the next page as the server writes it; nil for none.
    private func json(
        at address: WebAddress, _ name: RepositoryName
    ) throws -> (body: JSON, next: String?) {
        let body = Body()
        let exchange = Exchange(name: "\(name)", address: address) { bytes, position in
            if position == 0 { body.bytes = [] }
            guard body.bytes.count + bytes.count <= Self.maximumAnswerByteCount else {
                throw HubError(
                    .invalidAnswer,
                    "\(name): the Hub answers with more than \(Self.maximumAnswerByteCount) bytes")
            }
            body.bytes += bytes
        }
        try client?.run([exchange])
        do { return (try JSON.parse(body.bytes), exchange.link.flatMap(Self.nextPage)) } catch {
            throw HubError(
                .invalidAnswer, "\(name): \(address.host) answers with something other than JSON: \(error)")
        }
    }

    /// The address in `<https://…>; rel="next"`.
    private static func nextPage(_ link: String) -> String? {
        for part in link.split(separator: ",") where part.contains("rel=\"next\"") {
            guard let start = part.firstIndex(of: "<"), let end = part.firstIndex(of: ">"), start < end else {
                continue
            }
            return String(part[part.index(after: start)..<end])
        }
        return nil
    }

    private final class Body {
        var bytes: [UInt8] = []
    }

    // MARK: - Files

    private func fetch(
        _ file: HubFile, of name: RepositoryName, commit: String, into folder: String,
        progress: (Int) -> Void
    ) throws {
        let path = "\(folder)/\(file.path)"
        try Folder.create(String(path.folderPart.dropLast()))
        let part = try ResumableFile(
            path: path, byteCount: file.byteCount,
            // A small file is fetched as a whole: nothing could tell whether its parts belong together.
            pieceByteCount: file.isLarge ? pieceByteCount : max(file.byteCount, 1),
            identity: Self.identity(of: file, pieceByteCount: pieceByteCount))
        let address = settings.endpoint.appending(
            [name.owner, name.name, "resolve", commit] + file.path.split(separator: "/").map(String.init))
        func exchange(_ range: Range<Int>) -> Exchange {
            Exchange(
                name: "\(name), \(file.path)", address: address, range: range, of: file.byteCount,
                sink: { try part.write($0, at: $1) }, finish: { try part.complete(range) })
        }
        let pieces = part.missing
        let present = file.byteCount - pieces.reduce(0) { $0 + $1.count }
        do {
            try client?.run(pieces.map(exchange)) { progress(present + $0) }
        } catch let error as HubError where error.reason == .rangesUnsupported {
            try client?.run([exchange(0..<file.byteCount)], progress: progress)
        }
        if let expected = file.digest {
            let found = try digest(of: part)
            guard found == expected else {
                part.discard()
                throw HubError(
                    .damaged,
                    "\(name), \(file.path): the bytes have the SHA-256 \(found), expected \(expected); they are discarded, try "
                        + "again")
            }
        }
        try part.commit()
    }

    /// What tells pieces of a file from those of others.
    package static func identity(of file: HubFile, pieceByteCount: Int) -> [UInt8] {
        SHA256.digest(of: Array("\(file.contentID) \(file.byteCount) \(pieceByteCount)".utf8)).bytes
    }

    private func digest(of part: ResumableFile) throws -> SHA256.Digest {
        let mapped = try part.map()
        guard let bytes = ByteView(mapped.bytes, owner: mapped).slice(0, count: part.byteCount) else {
            throw FileError(path: part.path, operation: .read, code: EIO)
        }
        return SHA256.digest(of: bytes)
    }
}
