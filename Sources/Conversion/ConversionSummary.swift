// SPDX-License-Identifier: Apache-2.0
// The result of a conversion, for the user and for the file's manifest.

import JSON
import Quantization

/// Sizes, errors and time of a conversion.
package struct ConversionSummary: Sendable {
    /// Errors of all tensors of one encoding.
    package struct EncodingShare: Sendable {
        package let encoding: TensorEncoding
        package internal(set) var tensorCount = 0
        package internal(set) var weightCount = 0
        package internal(set) var byteCount = 0
        package internal(set) var error = QuantizationError()
    }

    package internal(set) var sourceByteCount = 0
    package var fileByteCount = 0
    package internal(set) var weightCount = 0
    package internal(set) var weightByteCount = 0
    package var seconds = 0.0
    package internal(set) var shares: [EncodingShare] = []
    /// Tensors whose rows do not fit the requested encoding, stored as float16 instead.
    package internal(set) var widened: [String] = []
    /// The file's divergence from its source, as in the manifest; nil if it was not measured.
    package var quality: JSON?
    /// Remarks about the source for the user, one sentence each.
    package var remarks: [String] = []

    /// Bits per weight of the file.
    package var bitsPerWeight: Double { Double(weightByteCount) * 8 / Double(max(weightCount, 1)) }

    package mutating func add(
        _ segment: RowSegment, of tensor: PlannedTensor, byteCount: Int, error: QuantizationError
    ) {
        let count = segment.rows.count * tensor.source.columns
        weightCount += count
        weightByteCount += byteCount
        let index =
            shares.firstIndex { $0.encoding == segment.encoding }
            ?? {
                shares.append(EncodingShare(encoding: segment.encoding))
                return shares.count - 1
            }()
        shares[index].tensorCount += 1
        shares[index].weightCount += count
        shares[index].byteCount += byteCount
        shares[index].error.merge(error)
    }

    /// The part stored in the file: figures that depend only on the source and the options.
    package var json: JSON.Object {
        var encodings = JSON.Object()
        for share in shares where share.encoding != .vector {
            encodings[share.encoding.name] = [
                "tensors": .integer(share.tensorCount), "weights": .integer(share.weightCount),
                "bytes": .integer(share.byteCount),
                "relative_rms_error": .number(share.error.relativeRMS),
            ]
        }
        return [
            "bits_per_weight": .number(bitsPerWeight), "encodings": .object(encodings),
            "widened": .array(widened.map { .string($0) }),
        ]
    }
}
