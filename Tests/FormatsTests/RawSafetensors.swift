// SPDX-License-Identifier: Apache-2.0
// Safetensors files put together from a header's text and a count of bytes, so that a test can break one rule.

import Formats

struct RawSafetensors {
    /// Two tensors that cover 24 bytes, and metadata.
    static let header = """
        {"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[4],"data_offsets":[16,24]},\
        "a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}
        """

    var header = RawSafetensors.header
    var headerByteCount: UInt64?
    var dataByteCount = 24

    /// The usual file with one text of its header replaced by another.
    static func replacing(_ old: String, _ new: String, dataByteCount: Int = 24) -> RawSafetensors {
        precondition(header.contains(old), "the header has no \(old)")
        let parts = header.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false)
        return RawSafetensors(header: parts.joined(separator: new), dataByteCount: dataByteCount)
    }

    var bytes: [UInt8] { bytes(header: Array(header.utf8)) }

    func bytes(header: [UInt8]) -> [UInt8] {
        var raw = RawBytes()
        raw.u64(headerByteCount ?? UInt64(header.count))
        raw.bytes += header
        raw.bytes += (0..<dataByteCount).map { UInt8(truncatingIfNeeded: $0) }
        return raw.bytes
    }
}
