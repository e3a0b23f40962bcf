// SPDX-License-Identifier: Apache-2.0
// A GGUF model in one file, or in several as llama.cpp's gguf-split writes them: name-00001-of-00003.gguf and so on.

import Formats
import Glibc
import Models
import Platform

/// The files of a GGUF model, in order; the metadata are those of the first.
package struct GGUFParts: Sendable {
    /// The most parts that the names can count.
    private static let maximumCount = 99_999

    /// The first part, whose metadata describe the model.
    let first: GGUFFile
    /// The bytes of all parts.
    let bytes: [ByteView]
    let tensors: [GGUFTensor]
    /// The paths of all parts; empty for a model in one file.
    private(set) var paths: [String] = []
    private let views: [String: (tensor: GGUFTensor, bytes: ByteView)]

    /// One file's bytes.
    /// - Throws: `FormatError`.
    package init(bytes: ByteView) throws { try self.init([(GGUFFile(bytes: bytes), bytes)]) }

    /// Opens the file at `path` and, if it is a part of a model, the other ones beside it.
    ///
    /// - Parameter mapped: the file at `path`.
    /// - Throws: `ConversionError` where a part is missing or belongs to another model, `FileError`, `FormatError`.
    init(path: String, mapped: MappedFile) throws {
        let file = try GGUFFile(mapped: mapped), view = ByteView(mapped.bytes, owner: mapped)
        guard let count = try Self.count("split.count", of: file, path: path), count > 1 else {
            try self.init([(file, view)])
            return
        }
        let names = try Self.names(
            of: path, count: count, number: Self.count("split.no", of: file, path: path))
        var files: [(GGUFFile, ByteView)] = []
        for (index, name) in names.enumerated() {
            if name == path {
                files.append((file, view))
                continue
            }
            guard access(name, F_OK) == 0 else {
                throw ConversionError(
                    "\(name) is missing, part \(index + 1) of \(count) of the model of \(path)")
            }
            let mapped = try MappedFile(path: name)
            let part = try GGUFFile(mapped: mapped)
            let found = (
                count: try Self.count("split.count", of: part, path: name),
                number: try Self.count("split.no", of: part, path: name)
            )
            guard found.count == count, found.number == index else {
                throw ConversionError(
                    "\(name) is part \((found.number ?? 0) + 1) of \(found.count ?? 1), expected part \(index + 1) of "
                        + "\(count), as its name says")
            }
            files.append((part, ByteView(mapped.bytes, owner: mapped)))
        }
        try self.init(files)
        paths = names
        if let expected = try Self.count("split.tensors.count", of: first, path: names[0]),
            expected != tensors.count
        {
            throw ConversionError(
                "the \(count) parts of \(path) hold \(tensors.count) tensors, expected \(expected): they belong to "
                    + "different models")
        }
    }

    private init(_ files: [(file: GGUFFile, bytes: ByteView)]) throws {
        first = files[0].file
        bytes = files.map(\.bytes)
        tensors = files.flatMap(\.file.tensors)
        var views: [String: (tensor: GGUFTensor, bytes: ByteView)] = [:]
        for (file, _) in files {
            for tensor in file.tensors {
                let known = views.updateValue((tensor, file.view(of: tensor)), forKey: tensor.name)
                guard known == nil else {
                    throw ConversionError(
                        "tensor \(tensor.name) is in two parts of the model, expected in one")
                }
            }
        }
        self.views = views
    }

    var tensorsByName: [String: GGUFTensor] { views.mapValues(\.tensor) }

    /// A tensor with its bytes.
    func tensor(named name: String) -> (tensor: GGUFTensor, bytes: ByteView)? { views[name] }

    /// A whole number in the metadata; nil if the key is missing.
    private static func count(_ key: String, of file: GGUFFile, path: String) throws -> Int? {
        guard let value = file.metadata[key] else { return nil }
        guard let number = value.integer, (0...maximumCount).contains(number) else {
            throw ConversionError("\(path): \(key) is not a number from 0 to \(maximumCount)")
        }
        return number
    }

    /// The paths of all parts, from that of one.
    private static func names(of path: String, count: Int, number: Int?) throws -> [String] {
        func ending(_ number: Int) -> String { "-\(digits(number + 1))-of-\(digits(count)).gguf" }
        guard let number, number < count, path.hasSuffix(ending(number)) else {
            throw ConversionError(
                "\(path) is part \((number ?? 0) + 1) of \(count) of a model, expected a name that ends with "
                    + "\(ending(min(number ?? 0, count - 1)))")
        }
        let stem = path.dropLast(ending(number).utf8.count)
        return (0..<count).map { stem + ending($0) }
    }

    /// Five digits.
    private static func digits(_ number: Int) -> String {
        String(String(100_000 + number).dropFirst())
    }
}
