// SPDX-License-Identifier: Apache-2.0
// The tensors of a model and their positions: 32 bytes each, in the order of the weights
// (formats/tiller.md §3.6). Sizes are recomputed; positions must have neither gaps nor overlap.

import Quantization

/// One tensor of a `.tiller` model.
package struct TensorEntry: Sendable, Equatable {
    package let role: TensorRole
    /// The layer, from 0; nil for tensors of the whole model.
    package let layer: Int?
    package let encoding: TensorEncoding
    package let rows: Int
    package let columns: Int
    /// Bytes from the start of the weights section, a multiple of 64.
    package let byteOffset: Int
    package let byteCount: Int

    /// Describes a tensor that will be written at `byteOffset`.
    ///
    /// - Throws: `FormatError` R23 if the encoding cannot store such a tensor.
    package init(
        _ role: TensorRole, layer: Int? = nil, encoding: TensorEncoding, rows: Int, columns: Int,
        byteOffset: Int = 0
    ) throws(FormatError) {
        guard let byteCount = encoding.byteCount(rows: rows, columns: columns) else {
            throw FormatError(
                .tillerTensorSize, found: "\(role) [\(rows) × \(columns)] in \(encoding)",
                expected: "a size that the encoding can hold")
        }
        self.role = role
        self.layer = layer
        self.encoding = encoding
        self.rows = rows
        self.columns = columns
        self.byteOffset = byteOffset
        self.byteCount = byteCount
    }

    /// Whether this is the next segment of the same vocabulary after `other`.
    fileprivate func continues(_ other: TensorEntry) -> Bool {
        role.isVocabulary && columns == other.columns && other.rows % TensorEncoding.tileRows == 0
            && encoding.isInteger && other.encoding.isInteger
    }

    /// A name such as "query of layer 3".
    package var name: String { layer.map { "\(role) of layer \($0)" } ?? "\(role)" }

    /// Role and layer in one number; the layer of a model's own tensors is 0xFFFF.
    var key: UInt32 { Self.key(role, layer) }

    static func key(_ role: TensorRole, _ layer: Int?) -> UInt32 {
        UInt32(role.rawValue) << 16 | UInt32(layer ?? 0xFFFF)
    }
}

/// All tensors of a model, in the order of their bytes.
package struct TensorIndex: Sendable {
    package let entries: [TensorEntry]
    /// One entry per key, or all segments of a vocabulary.
    private let places: [UInt32: Range<Int>]

    /// Bytes of one entry.
    static let entryByteCount = 32
    /// Tensors begin at multiples of this.
    static let alignment = 64
    static let maximumCount = 65_536
    package static let maximumLayerCount = 1024

    /// Creates an index of consecutive entries.
    /// - Throws: `FormatError` R25 if a role occurs twice in a layer, except for segments of a vocabulary.
    package init(_ entries: [TensorEntry]) throws(FormatError) {
        self.entries = entries
        var places: [UInt32: Range<Int>] = [:]
        places.reserveCapacity(entries.count)
        for (index, entry) in entries.enumerated() {
            guard let known = places.updateValue(index..<index + 1, forKey: entry.key) else { continue }
            guard known.upperBound == index, entry.continues(entries[index - 1]) else {
                throw FormatError(
                    .tillerDuplicateTensor, found: "\(entry.name) a second time",
                    expected:
                        "each tensor once, or a vocabulary's segments side by side in whole tiles of integers"
                )
            }
            places[entry.key] = known.lowerBound..<index + 1
        }
        self.places = places
    }

    /// The tensor with this role, or the first segment of a vocabulary; nil if the model has none.
    package subscript(role: TensorRole, layer: Int? = nil) -> TensorEntry? {
        segments(role, layer).first
    }

    /// The tensor in the order of its rows: one entry, several for a segmented vocabulary, or none.
    package func segments(_ role: TensorRole, _ layer: Int? = nil) -> ArraySlice<TensorEntry> {
        guard layer.map({ (0..<Self.maximumLayerCount).contains($0) }) ?? true else { return [] }
        return places[TensorEntry.key(role, layer)].map { entries[$0] } ?? []
    }
}

// MARK: - Bytes

extension TensorIndex {
    /// Reads the section's bytes.
    ///
    /// - Parameters:
    ///   - bytes: the section.
    ///   - weightsByteCount: size of the weights section.
    ///   - version: the file's version, for the error about an unknown encoding.
    /// - Throws: `FormatError` R19–R25.
    init(_ bytes: ByteView, weightsByteCount: Int, version: FormatVersion) throws(FormatError) {
        guard bytes.count % Self.entryByteCount == 0, bytes.count / Self.entryByteCount <= Self.maximumCount
        else {
            throw FormatError(
                .tillerIndexSize, found: "\(bytes.count) bytes",
                expected: "a multiple of \(Self.entryByteCount), at most \(Self.maximumCount) tensors",
                byteOffset: bytes.byteOffset)
        }
        var entries: [TensorEntry] = []
        entries.reserveCapacity(bytes.count / Self.entryByteCount)
        var end = 0
        for position in stride(from: 0, to: bytes.count, by: Self.entryByteCount) {
            let entry = try Self.entry(bytes, at: position, expectedOffset: end, version: version)
            // The current end is inside the section, so it is far from overflowing.
            guard entry.byteCount <= weightsByteCount - end else {
                throw FormatError(
                    .tillerTensorPlace, found: "\(entry.name), \(entry.byteCount) bytes from \(end)",
                    expected: "inside the \(weightsByteCount) bytes of weights",
                    byteOffset: bytes.byteOffset + position)
            }
            end = min((end + entry.byteCount).roundedUp(to: Self.alignment), weightsByteCount)
            entries.append(entry)
        }
        let used = entries.last.map { $0.byteOffset + $0.byteCount } ?? 0
        guard used == weightsByteCount else {
            throw FormatError(
                .tillerTensorPlace, found: "\(weightsByteCount) bytes of weights",
                expected: "\(used), the end of the last tensor", byteOffset: bytes.byteOffset)
        }
        try self.init(entries)
    }

    private static func entry(
        _ bytes: ByteView, at position: Int, expectedOffset: Int, version: FormatVersion
    ) throws(FormatError) -> TensorEntry {
        func error(_ rule: FormatRule, _ found: String, _ expected: String, _ offset: Int) -> FormatError {
            FormatError(
                rule, found: found, expected: expected, byteOffset: bytes.byteOffset + position + offset)
        }
        let roleNumber = bytes.load(UInt16.self, at: position)
        guard let role = TensorRole(rawValue: roleNumber) else {
            throw error(
                .tillerTensorRole, "role \(roleNumber)", "a role of version \(FormatVersion.current)", 0)
        }
        let layerNumber = Int(bytes.load(UInt16.self, at: position + 2))
        let layer = layerNumber == 0xFFFF ? nil : layerNumber
        guard role.isPerLayer == (layer != nil), layer ?? 0 < maximumLayerCount else {
            throw error(
                .tillerTensorLayer, "\(role) of layer \(layerNumber)",
                role.isPerLayer ? "a layer below \(maximumLayerCount)" : "no layer (65535)", 2)
        }
        let encodingNumber = bytes[position + 4]
        guard let encoding = TensorEncoding(rawValue: encodingNumber) else {
            throw error(
                .tillerTensorEncoding,
                "encoding \(encodingNumber) of \(role) in a file of version \(version)",
                "an encoding of version \(FormatVersion.current); a newer Tiller may read it", 4)
        }
        let rows = Int(bytes.load(UInt32.self, at: position + 8))
        let columns = Int(bytes.load(UInt32.self, at: position + 12))
        let offset = bytes.load(UInt64.self, at: position + 16)
        let byteCount = bytes.load(UInt64.self, at: position + 24)
        guard let expected = encoding.byteCount(rows: rows, columns: columns), byteCount == UInt64(expected),
            bytes[position + 5] | bytes[position + 6] | bytes[position + 7] == 0
        else {
            let size = encoding.byteCount(rows: rows, columns: columns).map {
                "\($0) bytes, reserved bytes zero"
            }
            throw error(
                .tillerTensorSize, "\(byteCount) bytes for \(role) [\(rows) × \(columns)] in \(encoding)",
                size ?? "a size that the encoding can hold", 8)
        }
        guard offset == UInt64(expectedOffset) else {
            throw error(
                .tillerTensorPlace, "\(role) at \(offset)", "at \(expectedOffset), after the one before", 16)
        }
        return try TensorEntry(
            role, layer: layer, encoding: encoding, rows: rows, columns: columns, byteOffset: expectedOffset)
    }

    /// The section's bytes.
    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        for entry in entries {
            bytes.append(littleEndian: entry.role.rawValue)
            bytes.append(littleEndian: UInt16(entry.layer ?? 0xFFFF))
            bytes.append(littleEndian: UInt32(entry.encoding.rawValue))
            bytes.append(littleEndian: UInt32(entry.rows))
            bytes.append(littleEndian: UInt32(entry.columns))
            bytes.append(littleEndian: UInt64(entry.byteOffset))
            bytes.append(littleEndian: UInt64(entry.byteCount))
        }
        return bytes
    }
}

// MARK: - Validation

extension TensorIndex {
    /// Checks that the model has every tensor that it needs with the right shape, and no other.
    /// - Throws: `FormatError` R26–R28.
    package func validate(against model: ModelConfiguration) throws(FormatError) {
        var count = 0
        for layer in [nil] + (0..<model.layerCount).map(Optional.init) {
            for role in TensorRole.allCases {
                guard let shape = role.shape(in: model, layer: layer) else { continue }
                count += try segmentCount(of: role, layer, shape)
            }
        }
        guard count != entries.count else { return }
        let unexpected = entries.first { entry in
            entry.role.shape(in: model, layer: entry.layer) == nil
        }
        throw FormatError(
            .tillerUnexpectedTensor, found: unexpected?.name ?? "\(entries.count) tensors",
            expected: "only what the configuration asks for")
    }

    /// - Throws: `FormatError` R26, R28.
    private func segmentCount(
        of role: TensorRole, _ layer: Int?, _ shape: (rows: Int, columns: Int)
    ) throws(FormatError) -> Int {
        let segments = segments(role, layer)
        guard let entry = segments.first else {
            let name = layer.map { "\(role) of layer \($0)" } ?? "\(role)"
            throw FormatError(.tillerMissingTensor, found: "no \(name)", expected: "one")
        }
        let rows = segments.reduce(0) { $0 + $1.rows }
        guard rows == shape.rows, entry.columns == shape.columns,
            (entry.encoding == .vector) == role.isVector
        else {
            throw FormatError(
                .tillerTensorShape, found: "\(entry.name) [\(rows) × \(entry.columns)] in \(entry.encoding)",
                expected: "[\(shape.rows) × \(shape.columns)] in \(role.isVector ? "vector" : "tiles")")
        }
        return segments.count
    }
}
