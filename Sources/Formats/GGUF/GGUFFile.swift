// SPDX-License-Identifier: Apache-2.0
// The GGUF reader: opening a file checks everything (formats/gguf.md §4), so that using
// an open file cannot fail.

import Platform
import Quantization

/// An open GGUF file, version 2 or 3, little-endian.
package struct GGUFFile: Sendable {
    package let version: Int
    package let metadata: GGUFMetadata
    /// The tensors, in the file's order.
    package let tensors: [GGUFTensor]
    private let tensorIndices: [String: Int]
    private let file: ByteView
    /// The end of the last tensor record.
    private let tableByteCount: Int

    // Limits of formats/gguf.md §5.
    package static let maximumMetadataCount = 65_536
    package static let maximumMetadataByteCount = 256 << 20
    package static let maximumTensorCount = 65_536
    package static let maximumKeyByteCount = 65_535
    package static let maximumTensorNameByteCount = 64
    package static let maximumStringByteCount = 16 << 20
    package static let maximumArrayCount = 16 << 20
    package static let maximumElementCount = 1 << 48
    package static let maximumAlignment = 1 << 20

    /// Opens the file at `path`.
    /// - Throws: `FileError` when it cannot be mapped, `FormatError` when it breaks a rule.
    package init(path: String) throws { try self.init(mapped: MappedFile(path: path)) }

    /// Opens a mapped file, which stays mapped as long as this value, or a view obtained from it, lives.
    package init(mapped: MappedFile) throws(FormatError) {
        self = try namingFile(mapped.path) { () throws(FormatError) in
            try GGUFFile(bytes: ByteView(mapped.bytes, owner: mapped))
        }
        // The copied part is not needed again.
        mapped.advise(.dontNeed, range: 0..<tableByteCount)
    }

    /// Reads a whole file's bytes.
    package init(bytes: ByteView) throws(FormatError) {
        // Reading the tables determines their end. Another program may overwrite a mapped file, so the values in use are read
        // from a copy.
        let end = try GGUFFile(tables: bytes, of: bytes).tableByteCount
        guard let tables = bytes.slice(0, count: end)?.copied() else {
            preconditionFailure("GGUFFile: the tables were read")
        }
        try self.init(tables: tables, of: bytes)
    }

    /// Reads and checks everything before the data.
    private init(tables: ByteView, of bytes: ByteView) throws(FormatError) {
        var reader = ByteReader(tables, truncationRule: .ggufTruncated)
        version = try Self.version(&reader)
        // Smallest record: name of 1 byte, one dimension; smallest pair: key of 1 byte, value of 1 byte.
        let tensorCount = try reader.count(
            "tensor count", unit: 33, limit: Self.maximumTensorCount, rule: .ggufTensorCount)
        let metadataCount = try reader.count(
            "metadata count", unit: 14, limit: Self.maximumMetadataCount, rule: .ggufMetadataCount)
        metadata = try GGUFMetadata(&reader, count: metadataCount)
        let alignment = try Self.alignment(metadata)

        var records: [GGUFTensorRecord] = []
        records.reserveCapacity(tensorCount)
        var indices: [String: Int] = [:]
        for index in 0..<tensorCount {
            let record = try GGUFTensorRecord(&reader)
            guard indices.updateValue(index, forKey: record.name) == nil else {
                throw FormatError(
                    .ggufDuplicateTensor, found: "\"\(record.name)\" a second time",
                    expected: "each name once", byteOffset: record.byteOffset)
            }
            records.append(record)
        }
        tableByteCount = reader.position
        // `position` is at most the file's size: rounding it up cannot overflow.
        tensors = try Self.place(
            records, dataOffset: reader.position.roundedUp(to: alignment), fileByteCount: bytes.count,
            alignment: alignment)
        tensorIndices = indices
        file = bytes
    }

    package func tensor(named name: String) -> GGUFTensor? { tensorIndices[name].map { tensors[$0] } }

    /// A tensor's encoded values, valid as long as this file is open.
    /// - Precondition: the tensor is one of this file's.
    package func bytes(of tensor: GGUFTensor) -> UnsafeRawBufferPointer { unsafe view(of: tensor).bytes }

    /// The same bytes as a view that keeps the file open.
    /// - Precondition: the tensor is one of this file's.
    package func view(of tensor: GGUFTensor) -> ByteView {
        guard let view = file.slice(tensor.byteOffset, count: tensor.byteCount) else {
            preconditionFailure("GGUFFile: a tensor of another file")
        }
        return view
    }
}

// MARK: - Checks

extension GGUFFile {
    private static func version(_ reader: inout ByteReader) throws(FormatError) -> Int {
        let magic = try reader.integer(UInt32.self, "magic")
        guard magic == 0x4655_4747 else {
            throw FormatError(
                .ggufMagic, found: "0x" + String(magic, radix: 16), expected: "the bytes \"GGUF\"",
                byteOffset: 0)
        }
        let version = try reader.integer(UInt32.self, "version")
        guard (2...3).contains(version) else {
            let isSwapped = (1...3).contains(version.byteSwapped)
            throw FormatError(
                .ggufVersion,
                found: isSwapped
                    ? "a big-endian file of version \(version.byteSwapped)" : "version \(version)",
                expected: "version 2 or 3, little-endian", byteOffset: 4)
        }
        return Int(version)
    }

    /// `general.alignment`, or 32 if it is missing.
    private static func alignment(_ metadata: GGUFMetadata) throws(FormatError) -> Int {
        guard let value = metadata["general.alignment"] else { return 32 }
        guard value.elementType == .uint32, let alignment = value.integer,
            alignment >= 8, alignment <= maximumAlignment, alignment.nonzeroBitCount == 1
        else {
            throw FormatError(
                .ggufAlignment,
                found: value.integer.map { "\($0)" } ?? "a value of type \(value.elementType)",
                expected: "a UInt32, a power of two from 8 to \(maximumAlignment)",
                byteOffset: value.byteOffset)
        }
        return alignment
    }

    /// Checks the tensors' byte ranges against the file and each other.
    private static func place(
        _ records: [GGUFTensorRecord], dataOffset: Int, fileByteCount: Int, alignment: Int
    ) throws(FormatError) -> [GGUFTensor] {
        var tensors: [GGUFTensor] = []
        tensors.reserveCapacity(records.count)
        for record in records {
            guard record.relativeOffset % UInt64(alignment) == 0 else {
                throw FormatError(
                    .ggufTensorAlignment, found: "offset \(record.relativeOffset) of \"\(record.name)\"",
                    expected: "a multiple of \(alignment)", byteOffset: record.byteOffset)
            }
            let available = fileByteCount - dataOffset
            guard available >= 0, record.byteCount <= available,
                record.relativeOffset <= UInt64(available - record.byteCount)
            else {
                throw FormatError(
                    .ggufTensorBounds,
                    found:
                        "\"\(record.name)\": \(record.byteCount) bytes from offset \(record.relativeOffset)",
                    expected: "inside the \(max(available, 0)) bytes of data", byteOffset: record.byteOffset)
            }
            tensors.append(
                GGUFTensor(
                    name: record.name, type: record.type, dimensions: record.dimensions,
                    byteOffset: dataOffset + Int(record.relativeOffset), byteCount: record.byteCount))
        }
        let sorted = tensors.indices.sorted { tensors[$0].byteOffset < tensors[$1].byteOffset }
        for (first, second) in zip(sorted, sorted.dropFirst()) {
            guard tensors[first].byteOffset + tensors[first].byteCount <= tensors[second].byteOffset else {
                throw FormatError(
                    .ggufTensorOverlap,
                    found: "\"\(tensors[first].name)\" and \"\(tensors[second].name)\" overlap",
                    expected: "disjoint byte ranges", byteOffset: records[second].byteOffset)
            }
        }
        return tensors
    }
}
