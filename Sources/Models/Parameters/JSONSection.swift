// SPDX-License-Identifier: Apache-2.0
// The JSON files of a model folder. Users edit them, so every error names the file and the member.

import Formats
import Glibc
import JSON
import Platform

/// An object in a JSON file.
package struct JSONSection {
    /// The file's name, such as "config.json".
    package let file: String
    /// Names of the enclosing objects, each followed by a dot.
    package let path: String
    package let object: JSON.Object
}

extension JSONSection {
    /// Limits on a file's bytes and JSON values (formats/safetensors.md §5). Vocabularies of a quarter of a million tokens take
    /// some 35 MB, with two million values.
    private static func limits(of file: String) -> (byteCount: Int, valueCount: Int) {
        file == "tokenizer.json" ? (64 << 20, JSON.valueLimit) : (8 << 20, 1 << 18)
    }

    /// Reads a file of a folder; nil if it does not exist.
    /// - Throws: `FileError`, or `ConversionError` if it holds no JSON object.
    package init?(folder: String, file: String) throws {
        let path = "\(folder)/\(file)"
        guard access(path, F_OK) == 0 else { return nil }
        let limits = Self.limits(of: file)
        let bytes = try readFile(path: path, limit: limits.byteCount)
        do {
            try self.init(
                file: file, path: "", JSON.parse(bytes, maximumDepth: 64, maximumCount: limits.valueCount))
        } catch let error as JSONError {
            throw ConversionError("\(file), \(error)")
        }
    }

    package init(file: String, path: String, _ json: JSON) throws {
        guard let object = json.objectValue else {
            let place = path.isEmpty ? "" : ": \(path.dropLast())"
            throw ConversionError("\(file)\(place) is \(json.kindName), expected an object")
        }
        self.init(file: file, path: path, object: object)
    }

    /// A member; nil if it is missing or null.
    package subscript(key: String) -> JSON? { value(key) }

    /// Whether a member exists, even as null: some defaults apply to missing members only.
    package func holds(_ key: String) -> Bool { object[key] != nil }

    package func optionalObject(_ key: String) throws -> JSONSection? {
        try self[key].map { try JSONSection(file: file, path: "\(path)\(key).", $0) }
    }

    package func object(_ key: String) throws -> JSONSection {
        try required(key, "an object", optionalObject(key))
    }

    /// These members, and those of another object that are missing here.
    package func replacing(in other: JSON.Object) -> JSONSection {
        var merged = other
        for member in object { merged[member.key] = member.value }
        return JSONSection(file: file, path: path, object: merged)
    }

    /// The elements of an array as objects.
    package func objects(_ key: String) throws -> [JSONSection] {
        try (optionalArray(key) ?? []).enumerated().map {
            try JSONSection(file: file, path: "\(path)\(key)[\($0)].", $1)
        }
    }

    /// One number or a list of them, as Hugging Face writes end-of-sequence ids.
    package func integers(_ key: String) throws -> [Int] {
        let expected = "an integer or an array of integers"
        return try optional(key, expected) { json in
            if let integer = json.intValue { return [integer] }
            guard let elements = json.arrayValue else { return nil }
            let integers = elements.compactMap(\.intValue)
            return integers.count == elements.count ? integers : nil
        } ?? []
    }

    /// The text of a token: a string, or an object with the string `content`.
    package func tokenText(_ key: String) throws -> String? {
        try optional(key, "a token: a string, or an object with a content") {
            $0.stringValue ?? $0["content"]?.stringValue
        }
    }
}

extension JSONSection: TypedFields {
    package func value(_ key: String) -> JSON? {
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    package func wrongType(_ key: String, _ value: JSON?, expected: String) -> ConversionError {
        refusal(key, value?.kindName ?? "missing", expected: expected)
    }

    package func refusal(_ key: String, _ found: String, expected: String) -> ConversionError {
        ConversionError("\(file): \(path)\(key) is \(found), expected \(expected)")
    }
}
