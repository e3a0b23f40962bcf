// SPDX-License-Identifier: Apache-2.0
// The encoding of each tensor of a source, validated before anything is written.

import Formats
import Models
import Quantization

/// The encodings that the user requests.
package struct EncodingChoice: Sendable {
    package var weights: TensorEncoding
    package var head: TensorEncoding
    /// Matrices with another encoding than `weights` and `head` specify.
    package var exceptions: [TensorKey: TensorEncoding] = [:]
    /// Rows of embedding and head with another encoding than `head` specifies, in ascending order and in whole tiles; if the row
    /// length does not fit an encoding, all rows are stored alike.
    package var vocabularyExceptions: [RowSegment] = []
    /// Whether matrices that do not fit binary16 are stored in Float32 when float16 is requested: used for the reference of
    /// comparisons.
    package var widensBeyondFloat16 = false

    package init(weights: TensorEncoding, head: TensorEncoding) {
        self.weights = weights
        self.head = head
    }

    func encoding(of tensor: SourceTensor) -> TensorEncoding {
        if tensor.role.staysWide { return weights == .float32 ? .float32 : .float16 }
        // The embedding is the head if both are tied, and so is treated like it in all models.
        return exceptions[TensorKey(tensor.role, tensor.layer)]
            ?? (tensor.role.isVocabulary ? head : weights)
    }

    /// The rows of a vocabulary whose default encoding is `encoding`, without gaps.
    fileprivate func vocabularySegments(rowCount: Int, _ encoding: TensorEncoding) -> [RowSegment] {
        var segments: [RowSegment] = []
        var end = 0
        for exception in vocabularyExceptions {
            let rows = exception.rows.clamped(to: end..<rowCount)
            if end < rows.lowerBound { segments.append(RowSegment(end..<rows.lowerBound, encoding)) }
            if !rows.isEmpty { segments.append(RowSegment(rows, exception.encoding)) }
            end = rows.upperBound
        }
        if end < rowCount { segments.append(RowSegment(end..<rowCount, encoding)) }
        return segments
    }
}

/// One tensor's source and its encoding in the file.
package struct PlannedTensor: Sendable {
    package let source: SourceTensor
    /// The encoding of all rows that no other segment covers.
    package let encoding: TensorEncoding
    /// All rows in order.
    package let segments: [RowSegment]
    /// Whether the row length or the magnitudes do not fit the requested encoding, so that a wider one is used.
    package let isWidened: Bool
    let scaling: TensorScaling?

    init(_ source: SourceTensor, _ encodings: EncodingChoice, _ scaling: TensorScaling?) {
        let wanted = encodings.encoding(of: source)
        self.source = source
        self.scaling = scaling
        if source.role.isVector {
            encoding = .vector
        } else {
            let narrow = wanted.accepts(columns: source.columns) ? wanted : .float16
            let mayBeWider =
                narrow == .float16
                && (narrow != wanted || encodings.widensBeyondFloat16 || source.role.staysWide)
            encoding = mayBeWider && !source.fitsFloat16(scaling) ? .float32 : narrow
        }
        isWidened = !source.role.isVector && encoding != wanted
        let isWhole = !source.role.isVocabulary || isWidened || encodings.vocabularyExceptions.isEmpty
        segments =
            isWhole
            ? [RowSegment(0..<source.rows, encoding)]
            : encodings.vocabularySegments(rowCount: source.rows, encoding)
    }

    /// Whether the source's bytes are copied unchanged.
    var isCopied: Bool {
        guard case .tiles(let stored) = source.storage else { return false }
        return stored == segments && source.addend == 0 && source.interleavedHeadSize == nil
            && source.update == nil
            && scaling?.changesNumbers != true
    }
}

/// The tensors of a file in the order in which they are written.
package struct TensorPlan: Sendable {
    package let tensors: [PlannedTensor]

    /// Bytes of all tensors in the source.
    var sourceByteCount: Int { tensors.reduce(0) { $0 + $1.source.byteCount } }

    /// A remark about weights that are quantized a second time; nil if there are none.
    var remark: String? {
        let names = Set(
            tensors.flatMap { tensor -> [String] in
                guard case .tiles(let stored) = tensor.source.storage, !tensor.isCopied else { return [] }
                return stored.map(\.encoding).filter(\.isInteger).map(\.name)
            })
        guard !names.isEmpty else { return nil }
        return
            "the source is already quantized (\(names.sorted().joined(separator: ", "))): its errors stay and new "
            + "ones are added; the model that it was made from gives better weights"
    }

    /// - Throws: `ConversionError` if a tensor's shape does not match the configuration.
    package init(_ source: ModelSource, encodings: EncodingChoice) throws {
        try self.init(source, encodings: encodings, scalings: [:])
    }

    init(_ source: ModelSource, encodings: EncodingChoice, scalings: [TensorKey: TensorScaling]) throws {
        try Self.requireShapes(of: source.tensors, source.configuration)
        tensors = source.tensors.map {
            PlannedTensor($0, encodings, scalings[TensorKey($0.role, $0.layer)])
        }
    }

    static func requireShapes(of tensors: [SourceTensor], _ configuration: ModelConfiguration) throws {
        for tensor in tensors {
            guard let shape = tensor.role.shape(in: configuration, layer: tensor.layer) else {
                throw ConversionError(
                    "tensor \(tensor.name) is present, but the configuration has no such tensor")
            }
            guard tensor.rows == shape.rows, tensor.columns == shape.columns else {
                throw ConversionError(
                    "tensor \(tensor.name) is [\(tensor.rows) × \(tensor.columns)], "
                        + "expected [\(shape.rows) × \(shape.columns)] for this configuration")
            }
            guard tensor.isWhole else {
                throw ConversionError(
                    "tensor \(tensor.name) has \(tensor.byteCount) bytes, "
                        + "which do not fit [\(tensor.rows) × \(tensor.columns)]")
            }
        }
    }
}
