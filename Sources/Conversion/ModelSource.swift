// SPDX-License-Identifier: Apache-2.0
// The common form of all sources before conversion: later steps do not distinguish a GGUF, a model folder and a .tiller file.

import Formats
import JSON
import Models
import Platform
import Quantization
import Steering

/// A model that can be converted, validated except for the numbers in its tensors.
package struct ModelSource: Sendable {
    /// The hash that steering profiles are bound to.
    enum Hash: Sendable {
        /// SHA-256 of the concatenation of these bytes.
        case bytes([ByteView])
        /// A hash computed earlier, or that of a file that no longer exists.
        case known(SHA256.Digest)
    }

    /// The path from which it was opened; errors name it.
    var path = ""
    /// The source itself if it can run unchanged: a .tiller file.
    var file: TillerFile?
    var name: String
    /// The source's name for its architecture.
    var architecture: String
    var license: String
    /// As in the manifest.
    var fileName: String
    var format: String
    var byteCount: Int
    var types: [String]
    var hash: Hash
    package internal(set) var configuration: ModelConfiguration
    /// The section encoded by module Tokenization.
    package internal(set) var tokenizer: [UInt8]?
    package internal(set) var chatTemplate: String?
    /// Recommended sampling, as in the manifest.
    var generation = JSON.null
    /// In the order in which they are written.
    package internal(set) var tensors: [SourceTensor]
    /// The scaling of the heads' outputs relative to the original model's; nil if it is unknown.
    var headScaling: HeadScaling?
    /// The family of a model that is no .tiller file.
    var family: (any ModelFamily.Type)?
    /// Profiles stored with the weights.
    var profiles: [SteeringProfile] = []
    /// Remarks for the user, one sentence each.
    var remarks: [String] = []
    /// Bytes read, for the summary.
    var readByteCount: Int

    /// The manifest's part about the source, whose bytes are hashed only once.
    mutating func manifestSource() -> Manifest.Source {
        let digest: SHA256.Digest
        switch hash {
        case .known(let known): digest = known
        case .bytes(let parts):
            var hash = SHA256()
            for part in parts { hash.update(part) }
            digest = hash.finalize()
        }
        hash = .known(digest)
        return Manifest.Source(
            fileName: fileName, sha256: digest, format: format, byteCount: byteCount, types: types)
    }
}

/// A tensor as stored in the source, and the changes that its rows need.
package struct SourceTensor: Sendable {
    enum Storage: Sendable {
        /// Consecutive rows of ggml's blocks.
        case blocks(GGMLType)
        /// Tiles of a .tiller file, segment by segment.
        case tiles([RowSegment])
        /// Codes, scales and more of a quantized folder; the bytes are those of the codes.
        case quantized(QuantizedMatrix)
        /// Tensors one below the other, each with as many rows: the experts of a mixture.
        case stacked([SourceTensor])
    }

    /// The source's own name.
    package let name: String
    package let role: TensorRole
    package let layer: Int?
    package let rows: Int
    package let columns: Int
    var storage: Storage
    let bytes: ByteView
    /// Head size of rows that interleave RoPE's pairs; conversion restores the halves.
    var interleavedHeadSize: Int?
    /// Added to every number: Hugging Face stores Gemma's norm gains minus 1.
    var addend: Float = 0
    /// Added to the rows: what a LoRA adapter changes.
    var update: LowRankUpdate?

    var elementCount: Int { rows * columns }
    /// Bytes in the source.
    var byteCount: Int {
        guard case .stacked(let parts) = storage else { return bytes.count }
        return parts.reduce(0) { $0 + $1.byteCount }
    }

    /// The tensors one below the other, or the only one.
    ///
    /// - Throws: `ConversionError` if their shapes differ.
    /// - Precondition: there is at least one.
    static func stacking(_ parts: [SourceTensor]) throws -> SourceTensor {
        guard parts.count > 1 else { return parts[0] }
        for part in parts where (part.rows, part.columns) != (parts[0].rows, parts[0].columns) {
            throw ConversionError(
                "tensor \(part.name) is [\(part.rows) × \(part.columns)], expected "
                    + "[\(parts[0].rows) × \(parts[0].columns)] as \(parts[0].name)")
        }
        let (rows, overflow) = parts[0].rows.multipliedReportingOverflow(by: parts.count)
        guard !overflow else { throw ConversionError("tensor \(parts[0].name) is too large") }
        return SourceTensor(
            name: parts[0].name, role: parts[0].role, layer: parts[0].layer, rows: rows,
            columns: parts[0].columns, storage: .stacked(parts), bytes: ByteView(copying: []))
    }

    /// The same numbers in one row.
    ///
    /// - Throws: `ConversionError` unless they lie side by side as plain numbers.
    func flattened() throws -> SourceTensor {
        guard case .blocks(let type) = storage, type.byteCount(elements: 1) != nil else {
            throw ConversionError("tensor \(name) is quantized, expected plain numbers")
        }
        return SourceTensor(
            name: name, role: role, layer: layer, rows: 1, columns: elementCount, storage: storage,
            bytes: bytes)
    }

    /// Some rows of a tensor that stores several as one; nil means all.
    ///
    /// - Throws: `ConversionError` if it has no such rows.
    func taking(_ part: Range<Int>?) throws -> SourceTensor {
        guard let part else { return self }
        if case .quantized(var matrix) = storage, part.upperBound <= rows {
            matrix.firstRow += part.lowerBound
            return copy(rows: part.count, storage: .quantized(matrix), bytes: bytes)
        }
        guard case .blocks(let type) = storage, let stride = type.byteCount(elements: columns), isWhole,
            part.upperBound <= rows,
            let slice = bytes.slice(part.lowerBound * stride, count: part.count * stride)
        else {
            throw ConversionError(
                "tensor \(name) is [\(rows) × \(columns)], expected at least \(part.upperBound) whole rows")
        }
        return copy(rows: part.count, storage: storage, bytes: slice)
    }

    private func copy(rows: Int, storage: Storage, bytes: ByteView) -> SourceTensor {
        var tensor = SourceTensor(
            name: name, role: role, layer: layer, rows: rows, columns: columns, storage: storage, bytes: bytes
        )
        tensor.interleavedHeadSize = interleavedHeadSize
        tensor.addend = addend
        return tensor
    }

    /// The source row for a row of the file.
    ///
    /// llama.cpp interleaves the rows of Llama's query and key heads: (i, i + headSize/2) are adjacent.
    func sourceRow(_ row: Int) -> Int {
        interleavedHeadSize.map { interleavedRow(row, headSize: $0) } ?? row
    }

    /// Whether the byte count matches rows and columns.
    var isWhole: Bool {
        switch storage {
        case .blocks(let type):
            guard let stride = type.byteCount(elements: columns), rows > 0 else { return false }
            let (needed, overflow) = stride.multipliedReportingOverflow(by: rows)
            return !overflow && needed == bytes.count
        case .tiles(let segments):
            guard segments.last?.rows.upperBound == rows else { return false }
            let sizes = segments.compactMap { $0.byteCount(columns: columns) }
            return sizes.count == segments.count && sizes.reduce(0, +) == bytes.count
        // Its parts were checked when it was opened.
        case .quantized(let matrix): return matrix.columns == columns && matrix.firstRow + rows <= matrix.rows
        case .stacked(let parts): return parts.allSatisfy(\.isWhole)
        }
    }

    /// The bytes of one segment of a .tiller file.
    /// - Precondition: the tensor is whole and has the segment.
    func bytes(of segment: RowSegment) -> UnsafeRawBufferPointer {
        guard case .tiles(let segments) = storage else { preconditionFailure("SourceTensor: no tiles") }
        var start = 0
        for other in segments {
            let count = other.byteCount(columns: columns) ?? 0
            if other == segment {
                return UnsafeRawBufferPointer(rebasing: bytes.bytes[start..<start + count])
            }
            start += count
        }
        preconditionFailure("SourceTensor: \(name) has no such segment")
    }

    /// Decodes one row of the file.
    ///
    /// - Parameter output: [columns], written.
    /// - Precondition: the tensor is whole and has the row.
    package func decode(row: Int, into output: UnsafeMutablePointer<Float>) {
        let fileRow = row
        let row = sourceRow(row)
        switch storage {
        case .blocks(let type):
            guard let stride = type.byteCount(elements: columns), let base = bytes.bytes.baseAddress else {
                preconditionFailure("SourceTensor: \(name) is not whole")
            }
            type.dequantize(base + row * stride, count: columns, into: output)
        case .tiles(let segments):
            guard let segment = segments.first(where: { $0.rows.contains(row) }),
                let stride = segment.encoding.tileByteCount(columns: columns),
                let base = bytes(of: segment).baseAddress
            else { preconditionFailure("SourceTensor: \(name) is not whole") }
            let (tile, lane) = (row - segment.rows.lowerBound).quotientAndRemainder(
                dividingBy: TensorEncoding.tileRows)
            TileCodec.decodeRow(
                lane, tile: base + tile * stride, columns: columns, encoding: segment.encoding, into: output)
        case .quantized(let matrix): matrix.decode(row: row, into: output)
        case .stacked(let parts):
            let (part, own) = row.quotientAndRemainder(dividingBy: parts[0].rows)
            parts[part].decode(row: own, into: output)
        }
        update?.add(row: fileRow, to: output)
        guard addend != 0 else { return }
        for column in 0..<columns { output[column] += addend }
    }
}
