// SPDX-License-Identifier: Apache-2.0
// The weights of a model folder: one safetensors file, or several with an index (formats/safetensors.md §3).

import Glibc
import JSON
import Platform

/// All tensors of a model, in one file or several.
package struct SafetensorsModel: Sendable {
    /// The files in the order of their names, compared byte by byte.
    package let files: [(name: String, file: SafetensorsFile)]
    /// The index of the file that contains a tensor.
    private let fileIndices: [String: Int]

    package static let fileName = "model.safetensors"
    package static let indexName = "model.safetensors.index.json"
    static let maximumIndexByteCount = 32 << 20

    /// Opens the weights in a folder; nil if it has neither a file nor an index with the usual name.
    /// - Throws: `FileError` when a file cannot be mapped, `FormatError` when one breaks a rule.
    package init?(folder: String) throws {
        let path = "\(folder)/\(Self.fileName)"
        if access(path, F_OK) == 0 {
            let file = try SafetensorsFile(path: path)
            files = [(Self.fileName, file)]
            fileIndices = Dictionary(file.tensors.map { ($0.name, 0) }, uniquingKeysWith: { a, _ in a })
            return
        }
        let indexPath = "\(folder)/\(Self.indexName)"
        guard access(indexPath, F_OK) == 0 else { return nil }
        let mapped = try MappedFile(path: indexPath)
        let index = try namingFile(indexPath) { () throws(FormatError) in
            try SafetensorsIndex(bytes: ByteView(mapped.bytes, owner: mapped))
        }
        files = try index.shardNames.map { ($0, try SafetensorsFile(path: "\(folder)/\($0)")) }
        let (files, shardNames) = (files, index.shardNames)
        let tensorNames = Dictionary(grouping: index.places, by: \.shard).mapValues { $0.map(\.tensor) }
        try namingFile(indexPath) { () throws(FormatError) in
            for (name, shard) in zip(shardNames, files) {
                try SafetensorsIndex.check(shard.file, named: name, holds: tensorNames[name] ?? [])
            }
        }
        let places = Dictionary(zip(shardNames, shardNames.indices), uniquingKeysWith: { a, _ in a })
        fileIndices = Dictionary(
            index.places.compactMap { place in places[place.shard].map { (place.tensor, $0) } },
            uniquingKeysWith: { a, _ in a })
    }

    package var tensorNames: [String] { files.flatMap { $0.file.tensors.map(\.name) } }

    /// The tensor of this name and its numbers.
    package func tensor(named name: String) -> (tensor: SafetensorsTensor, bytes: ByteView)? {
        guard let index = fileIndices[name], let tensor = files[index].file.tensor(named: name) else {
            return nil
        }
        return (tensor, files[index].file.bytes(of: tensor))
    }
}

/// The file that maps tensors to shards.
package struct SafetensorsIndex: Sendable {
    /// Each tensor with its shard, in the file's order.
    package let places: [(tensor: String, shard: String)]
    /// Each shard once, in ascending byte order.
    package let shardNames: [String]

    /// Reads a whole file's bytes.
    /// - Throws: `FormatError` R8, R17–R19.
    package init(bytes: ByteView) throws(FormatError) {
        guard bytes.count <= SafetensorsModel.maximumIndexByteCount else {
            throw FormatError(
                .safetensorsIndexText, found: "\(bytes.count) bytes",
                expected: "at most \(SafetensorsModel.maximumIndexByteCount)")
        }
        let json = try JSON.parse(
            bytes.copied(), rule: .safetensorsIndexText, duplicateRule: .safetensorsIndexText,
            maximumDepth: 8,
            maximumCount: SafetensorsFile.maximumValueCount)
        guard let map = json["weight_map"]?.objectValue, !map.isEmpty else {
            throw FormatError(
                .safetensorsWeightMap,
                found: json["weight_map"].map { $0 == [:] ? "an empty object" : $0.kindName }
                    ?? "nothing at \"weight_map\"",
                expected: "an object of tensors and their files")
        }
        guard map.count <= SafetensorsFile.maximumTensorCount else {
            throw FormatError(
                .safetensorsTensorCount, found: "\(map.count) tensors",
                expected: "at most \(SafetensorsFile.maximumTensorCount)")
        }
        var places: [(tensor: String, shard: String)] = []
        for member in map {
            guard let shard = member.value.stringValue else {
                throw FormatError(
                    .safetensorsWeightMap, found: "\(member.value.kindName) for \"\(member.key)\"",
                    expected: "the name of a file")
            }
            let isPlain = !shard.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
            guard isPlain, !["", ".", ".."].contains(shard) else {
                throw FormatError(
                    .safetensorsShardName, found: "\"\(shard)\" for \"\(member.key)\"",
                    expected: "the name of a file in the same folder")
            }
            places.append((member.key, shard))
        }
        self.places = places
        shardNames = Set(places.map(\.shard)).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Checks that a shard contains the tensors that the index lists for it, and no others.
    /// - Throws: `FormatError` R20.
    static func check(
        _ file: SafetensorsFile, named shard: String, holds names: [String]
    ) throws(FormatError) {
        let expected = Set(names)
        let found = Set(file.tensors.map(\.name))
        if let missing = expected.subtracting(found).min() {
            throw FormatError(
                .safetensorsIndexAndShards, found: "no \"\(missing)\" in \(shard)",
                expected: "the tensors that the index places there")
        }
        if let unexpected = found.subtracting(expected).min() {
            throw FormatError(
                .safetensorsIndexAndShards, found: "\"\(unexpected)\" in \(shard)",
                expected: "no tensor there that the index does not name")
        }
    }
}
