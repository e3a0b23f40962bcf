// SPDX-License-Identifier: Apache-2.0
// The safetensors reader: opening a file checks everything (formats/safetensors.md §4), so that
// using an open file cannot fail.

import JSON
import Platform

/// An open safetensors file.
package struct SafetensorsFile: Sendable {
    /// The tensors, in the order of their bytes.
    package let tensors: [SafetensorsTensor]
    /// The member `__metadata__`, an object of strings; empty if there is none.
    package let metadata: JSON.Object
    /// All bytes of the file.
    package let bytes: ByteView
    private let tensorIndices: [String: Int]
    private let data: ByteView

    package static let maximumHeaderByteCount = 100_000_000
    package static let maximumTensorCount = 65_536
    /// The limit of JSON values in a header or an index; a tensor takes some 15.
    package static let maximumValueCount = 1 << 20
    static let metadataKey = "__metadata__"

    /// Opens the file at `path`.
    /// - Throws: `FileError` when it cannot be mapped, `FormatError` when it breaks a rule.
    package init(path: String) throws {
        let mapped = try MappedFile(path: path)
        self = try namingFile(path) { () throws(FormatError) in
            try SafetensorsFile(bytes: ByteView(mapped.bytes, owner: mapped))
        }
    }

    /// Reads a whole file's bytes.
    package init(bytes: ByteView) throws(FormatError) {
        let (header, dataStart) = try Self.header(bytes)
        var tensors: [SafetensorsTensor] = []
        var metadata = JSON.Object()
        guard header.count <= Self.maximumTensorCount + 1 else {
            throw FormatError(
                .safetensorsTensorCount, found: "\(header.count) members of the header",
                expected: "at most \(Self.maximumTensorCount) tensors")
        }
        for member in header {
            if member.key == Self.metadataKey {
                metadata = try Self.metadata(member.value)
            } else {
                tensors.append(try SafetensorsTensor(name: member.key, member.value))
            }
        }
        tensors.sort { ($0.dataOffset, $0.byteCount) < ($1.dataOffset, $1.byteCount) }
        guard let data = bytes.slice(dataStart, count: bytes.count - dataStart) else {
            preconditionFailure("SafetensorsFile: the header was found inside")
        }
        try Self.checkPlaces(tensors, in: data)
        self.bytes = bytes
        self.tensors = tensors
        self.metadata = metadata
        self.data = data
        // Swift may consider two names equal; the first one is found.
        tensorIndices = Dictionary(zip(tensors.map(\.name), tensors.indices), uniquingKeysWith: { a, _ in a })
    }

    package func tensor(named name: String) -> SafetensorsTensor? { tensorIndices[name].map { tensors[$0] } }

    /// The bytes of a tensor's numbers.
    /// - Precondition: the tensor is one of this file's.
    package func bytes(of tensor: SafetensorsTensor) -> ByteView {
        guard let view = data.slice(tensor.dataOffset, count: tensor.byteCount) else {
            preconditionFailure("SafetensorsFile: a tensor of another file")
        }
        return view
    }
}

// MARK: - Checks

extension SafetensorsFile {
    /// Bytes of the length field.
    private static let lengthByteCount = 8

    /// The header as JSON, and the start of the data. Both are read once: another program may overwrite a mapped file.
    private static func header(
        _ bytes: ByteView
    ) throws(FormatError) -> (JSON.Object, dataStart: Int) {
        guard bytes.count >= lengthByteCount else {
            throw FormatError(
                .safetensorsHeaderLength, found: "a file of \(bytes.count) bytes",
                expected: "8 bytes, the header's length", byteOffset: 0)
        }
        let length = bytes.load(UInt64.self, at: 0)
        guard length <= UInt64(maximumHeaderByteCount) else {
            throw FormatError(
                .safetensorsHeaderLimit, found: "a header of \(length) bytes",
                expected: "at most \(maximumHeaderByteCount)", byteOffset: 0)
        }
        guard let header = bytes.slice(lengthByteCount, count: Int(length))?.copied() else {
            throw FormatError(
                .safetensorsHeaderBounds, found: "a header of \(length) bytes",
                expected: "at most the \(bytes.count - lengthByteCount) that follow", byteOffset: 0)
        }
        guard header.first == UInt8(ascii: "{") else {
            throw FormatError(
                .safetensorsHeaderStart, found: header.first.map { "byte \($0)" } ?? "an empty header",
                expected: "'{'", byteOffset: lengthByteCount)
        }
        var end = header.count
        while header[end - 1] == UInt8(ascii: " ") { end -= 1 }
        guard header[end - 1] == UInt8(ascii: "}"), let text = header.slice(0, count: end) else {
            throw FormatError(
                .safetensorsHeaderText, found: "byte \(header[end - 1])", expected: "'}' and then spaces",
                byteOffset: lengthByteCount + end - 1)
        }
        let json = try JSON.parse(
            text, rule: .safetensorsHeaderText, duplicateRule: .safetensorsDuplicateKey, maximumDepth: 8,
            maximumCount: maximumValueCount)
        // Valid JSON that begins with a brace is an object.
        return (json.objectValue ?? [:], lengthByteCount + header.count)
    }

    private static func metadata(_ json: JSON) throws(FormatError) -> JSON.Object {
        guard let object = json.objectValue else {
            throw FormatError(
                .safetensorsMetadata, found: "\(json.kindName) at \"\(metadataKey)\"",
                expected: "an object of strings")
        }
        for member in object where member.value.stringValue == nil {
            throw FormatError(
                .safetensorsMetadata, found: "\(member.value.kindName) at \"\(metadataKey).\(member.key)\"",
                expected: "a string")
        }
        return object
    }

    /// - Parameter tensors: in the order of their bytes.
    private static func checkPlaces(_ tensors: [SafetensorsTensor], in data: ByteView) throws(FormatError) {
        var end = 0
        for tensor in tensors {
            guard tensor.dataOffset >= end else {
                throw FormatError(
                    .safetensorsTensorOverlap, found: "\"\(tensor.name)\" from \(tensor.dataOffset) on",
                    expected: "\(end), where the tensor before it ends")
            }
            guard tensor.dataOffset == end else {
                throw FormatError(
                    .safetensorsHole, found: "\"\(tensor.name)\" from \(tensor.dataOffset) on",
                    expected: "\(end), so that no byte is left out")
            }
            // Neither number is negative, and their sum is an offset from the header.
            end = tensor.dataOffset + tensor.byteCount
        }
        guard end == data.count else {
            throw FormatError(
                .safetensorsDataEnd, found: "\(data.count) bytes of data",
                expected: "\(end), where the last tensor ends", byteOffset: data.byteOffset)
        }
    }
}

extension JSON {
    /// Parses a text; a key that occurs twice breaks a separate rule.
    static func parse(
        _ view: ByteView, rule: FormatRule, duplicateRule: FormatRule, maximumDepth: Int, maximumCount: Int
    ) throws(FormatError) -> JSON {
        do {
            return try unsafe JSON.parse(
                view.bytes, maximumDepth: maximumDepth, maximumCount: maximumCount, duplicateKeys: .refused)
        } catch {
            let again = unsafe try? JSON.parse(
                view.bytes, maximumDepth: maximumDepth, maximumCount: maximumCount)
            let isValid = again != nil
            throw FormatError(
                isValid ? duplicateRule : rule, found: error.found, expected: error.expected,
                byteOffset: view.byteOffset + error.byteOffset)
        }
    }
}
