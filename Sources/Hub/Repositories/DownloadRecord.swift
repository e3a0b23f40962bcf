// SPDX-License-Identifier: Apache-2.0
// What has been downloaded into a folder, in a file beside it: so that nothing is fetched twice, and that everything
// works offline afterwards.

import Glibc
import JSON
import Platform

/// The record of a folder of downloads.
struct DownloadRecord {
    /// The ids of the contents of complete files, by path.
    private(set) var contentIDs: [String: String] = [:]
    /// What was asked for, by tag, and what it led to.
    private(set) var choices: [String: FileChoice] = [:]
    private let folder: String

    private static let name = ".download.json"
    private static let maximumByteCount = 16 << 20

    /// Reads the record of a folder; one that is missing or damaged is like an empty one.
    init(folder: String) {
        self.folder = folder
        guard
            let bytes = try? readRegularFile(path: "\(folder)/\(Self.name)", limit: Self.maximumByteCount)
                .bytes,
            let json = try? JSON.parse(bytes)
        else { return }
        for member in json["files"]?.objectValue ?? JSON.Object() {
            if HubFile.isSafe(member.key) { contentIDs[member.key] = member.value.stringValue }
        }
        for member in json["choices"]?.objectValue ?? JSON.Object() {
            let files = (member.value["files"]?.arrayValue ?? []).compactMap(Self.file)
            choices[member.key] = FileChoice(files: files, modelPath: member.value["model"]?.stringValue)
        }
    }

    private static func file(_ json: JSON) -> HubFile? {
        guard let path = json["path"]?.stringValue, let size = json["size"]?.intValue,
            let id = json["id"]?.stringValue, let isLarge = json["large"]?.boolValue
        else { return nil }
        return HubFile(path: path, byteCount: size, contentID: id, isLarge: isLarge)
    }

    /// Whether a file is there, complete and with the same content.
    func has(_ file: HubFile) -> Bool {
        var status = stat()
        return contentIDs[file.path] == file.contentID && stat("\(folder)/\(file.path)", &status) == 0
            && status.st_size == file.byteCount
    }

    /// Records that a file has arrived.
    mutating func add(_ file: HubFile) throws(FileError) {
        contentIDs[file.path] = file.contentID
        try write()
    }

    /// Records that all files of a choice have arrived, and removes those that only a former commit had: in a model folder
    /// they would be read too.
    mutating func add(_ choice: FileChoice, tag: String?) throws(FileError) {
        choices[tag ?? ""] = choice
        let wanted = Set(choices.values.flatMap { $0.files.map(\.path) })
        for path in contentIDs.keys where !wanted.contains(path) {
            try Folder.remove("\(folder)/\(path)")
            contentIDs[path] = nil
        }
        try write()
    }

    private func write() throws(FileError) {
        var files = JSON.Object(), choices = JSON.Object()
        for (path, id) in contentIDs.sorted(by: { $0.key < $1.key }) { files[path] = .string(id) }
        for (tag, choice) in self.choices.sorted(by: { $0.key < $1.key }) {
            choices[tag] = [
                "model": choice.modelPath.map { .string($0) } ?? .null,
                "files": .array(
                    choice.files.map { file in
                        [
                            "path": .string(file.path), "size": .integer(file.byteCount),
                            "id": .string(file.contentID), "large": .bool(file.isLarge),
                        ]
                    }),
            ]
        }
        let json = JSON.object(["files": .object(files), "choices": .object(choices)])
        try AtomicFileWriter.write(
            Array(json.serialized(pretty: true).utf8), to: "\(folder)/\(Self.name)", replaceExisting: true)
    }
}
