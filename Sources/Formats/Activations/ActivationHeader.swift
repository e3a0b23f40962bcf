// SPDX-License-Identifier: Apache-2.0
// The metadata of a file of captured activations (formats/activations.md §2).

import JSON

/// The tokens of a text from which its state is taken; position 0, the attention sink, never counts.
package enum PositionRule: Hashable, Sendable, CustomStringConvertible {
    /// The text's last token, which has read all of it.
    case last
    /// The mean over all of the text's own tokens.
    case mean
    /// The first token with text after the first occurrence of a marker.
    case after(marker: String)

    static let maximumMarkerByteCount = 256

    /// Reads `last`, `mean` or `after:MARKER`; nil for anything else.
    package init?(_ text: String) {
        switch text {
        case "last": self = .last
        case "mean": self = .mean
        default:
            guard text.utf8.starts(with: "after:".utf8) else { return nil }
            let marker = String(text.dropFirst(6))
            guard (1...Self.maximumMarkerByteCount).contains(marker.utf8.count) else { return nil }
            self = .after(marker: marker)
        }
    }

    /// The text form in the file and on the command line.
    package var description: String {
        switch self {
        case .last: "last"
        case .mean: "mean"
        case .after(let marker): "after:\(marker)"
        }
    }
}

/// One of n parts of a capture.
package struct ActivationShard: Hashable, Sendable, CustomStringConvertible {
    /// The shard's number, from 1.
    package let index: Int
    package let count: Int

    package static let whole = ActivationShard(index: 1, count: 1)
    package static let maximumCount = 4096

    private init(index: Int, count: Int) {
        self.index = index
        self.count = count
    }

    /// Reads `2/8`; nil for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map {
            Int(decimal: String($0))
        }
        guard parts.count == 2, let index = parts[0], let count = parts[1],
            (1...Self.maximumCount).contains(count), (1...count).contains(index)
        else { return nil }
        self.init(index: index, count: count)
    }

    package var description: String { "\(index)/\(count)" }

    /// Whether this shard contains the pair or text with this number: numbers alternate, so that shards of sorted data are alike.
    package func contains(number: Int) -> Bool { number % count == index - 1 }
}

/// The metadata of a file.
package struct ActivationHeader: Sendable, Equatable {
    /// The model's name, for people.
    package var model: String
    /// SHA-256 that identifies the model's weights.
    package var sourceHash: SHA256.Digest
    /// Layers of the model; the file may contain only some of them.
    package var layerCount: Int
    /// The number of elements of a state.
    package var width: Int
    package var position: PositionRule
    /// SHA-256 over the text hashes of all rows of the data, not only this shard's.
    package var dataHash: SHA256.Digest
    /// Pairs and unlabelled texts of the whole data.
    package var pairCount: Int
    package var textCount: Int
    package var shard: ActivationShard

    static let formatName = "tiller.activations"
    static let version = "1"
    package static let maximumWidth = 1 << 20
    package static let maximumRowCount = 1 << 22

    package init(
        model: String, sourceHash: SHA256.Digest, layerCount: Int, width: Int, position: PositionRule,
        dataHash: SHA256.Digest, pairCount: Int, textCount: Int, shard: ActivationShard = .whole
    ) {
        self.model = model
        self.sourceHash = sourceHash
        self.layerCount = layerCount
        self.width = width
        self.position = position
        self.dataHash = dataHash
        self.pairCount = pairCount
        self.textCount = textCount
        self.shard = shard
    }

    /// Rows of the whole data.
    package var rowCount: Int { 2 * pairCount + textCount }

    /// The metadata to write.
    var metadata: [(key: String, value: String)] {
        [
            ("format", Self.formatName), ("version", Self.version), ("model", model),
            ("source_sha256", "\(sourceHash)"), ("layer_count", "\(layerCount)"), ("width", "\(width)"),
            ("position", "\(position)"), ("data_sha256", "\(dataHash)"), ("pair_count", "\(pairCount)"),
            ("text_count", "\(textCount)"), ("shard", "\(shard)"),
        ]
    }
}

extension ActivationHeader {
    /// Reads the metadata of a file; ignores unknown members.
    /// - Throws: `FormatError` R1–R7.
    init(_ metadata: JSON.Object) throws(FormatError) {
        func refusal(_ rule: FormatRule, _ key: String, _ expected: String) -> FormatError {
            let found = metadata[key]?.stringValue.map { "\"\(key)\" = \"\($0)\"" } ?? "nothing at \"\(key)\""
            return FormatError(rule, found: found, expected: expected)
        }
        func number(_ rule: FormatRule, _ key: String, _ range: ClosedRange<Int>) throws(FormatError) -> Int {
            guard let value = metadata[key]?.stringValue.flatMap(Int.init(decimal:)), range.contains(value)
            else {
                throw refusal(rule, key, "a decimal integer, \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
        func digest(_ rule: FormatRule, _ key: String) throws(FormatError) -> SHA256.Digest {
            guard let value = metadata[key]?.stringValue.flatMap(SHA256.Digest.init(hexadecimal:)) else {
                throw refusal(rule, key, "64 lowercase hexadecimal digits")
            }
            return value
        }
        guard metadata["format"]?.stringValue == Self.formatName else {
            throw refusal(.activationsFormat, "format", "\"\(Self.formatName)\"")
        }
        guard metadata["version"]?.stringValue == Self.version else {
            throw refusal(.activationsVersion, "version", "\"\(Self.version)\"")
        }
        guard let model = metadata["model"]?.stringValue, (1...256).contains(model.utf8.count) else {
            throw refusal(.activationsModel, "model", "a name of 1 to 256 bytes")
        }
        self.model = model
        sourceHash = try digest(.activationsModel, "source_sha256")
        layerCount = try number(.activationsShape, "layer_count", 1...TensorIndex.maximumLayerCount)
        width = try number(.activationsShape, "width", 1...Self.maximumWidth)
        guard let position = metadata["position"]?.stringValue.flatMap(PositionRule.init) else {
            throw refusal(
                .activationsPosition, "position",
                "last, mean, or after: and a marker of at most \(PositionRule.maximumMarkerByteCount) bytes")
        }
        self.position = position
        dataHash = try digest(.activationsData, "data_sha256")
        pairCount = try number(.activationsData, "pair_count", 0...Self.maximumRowCount / 2)
        textCount = try number(.activationsData, "text_count", 0...Self.maximumRowCount)
        guard (1...Self.maximumRowCount).contains(2 * pairCount + textCount) else {
            throw FormatError(
                .activationsData, found: "\(pairCount) pairs and \(textCount) texts",
                expected: "1 to \(Self.maximumRowCount) rows, two for each pair")
        }
        guard let shard = metadata["shard"]?.stringValue.flatMap(ActivationShard.init) else {
            throw refusal(
                .activationsShard, "shard", "i/n as in 2/8, 1 ≤ i ≤ n ≤ \(ActivationShard.maximumCount)")
        }
        self.shard = shard
    }
}

extension Int {
    /// Reads plain decimal digits, in the form in which the number would be written.
    fileprivate init?(decimal text: String) {
        guard let value = Int(text), String(value).utf8.elementsEqual(text.utf8) else { return nil }
        self = value
    }
}
