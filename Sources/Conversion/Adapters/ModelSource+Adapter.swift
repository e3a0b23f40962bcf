// SPDX-License-Identifier: Apache-2.0
// Merges an adapter into a source: W + scale · B · A in Float32, whenever a row is decoded. Names and row orders are those of the
// adapter's format, so that any adapter fits any source of its model.

import Formats
import Models

extension ModelSource {
    /// Adds the updates of an adapter to the tensors.
    ///
    /// The source's hash then covers the adapter too: profiles for the model without it do not fit.
    ///
    /// - Throws: `ConversionError` for an update of a tensor that the model does not have, or of another shape, and for a `.tiller`
    ///   file as source.
    mutating func merge(_ adapter: Adapter) throws {
        guard let own = family, case .bytes(let hashed) = hash else {
            throw ConversionError(
                "a .tiller file takes no adapter: merge it when the original model is converted")
        }
        let family = try adapter.architecture.map { try ModelFamilies.reading(architecture: $0) } ?? own
        guard family.name == own.name else {
            throw ConversionError("the adapter is for the family \(family.name), the model is of \(own.name)")
        }
        // Where the adapter's format divides a tensor in another way than the model's, none of its parts can be named.
        let parts = tensors.indices.flatMap { index in
            let tensor = tensors[index]
            let places = family.places(
                of: tensor.role, layer: tensor.layer, in: adapter.format, configuration)
            return places.count == tensor.parts.count
                ? places.enumerated().map {
                    NamedPart(
                        tensor: index, part: $0.offset, place: $0.element,
                        name: $0.element.fullName(layer: tensor.layer, in: adapter.format))
                } : []
        }
        // Several tensors may be rows of one.
        var rowCounts: [String: Int] = [:]
        for part in parts { rowCounts[part.name, default: 0] += tensors[part.tensor].parts[part.part].rows }
        var unused = Set(adapter.pairs.keys)
        for part in parts {
            let (name, tensor) = (part.name, tensors[part.tensor].parts[part.part])
            guard let pair = adapter.pairs[name], !tensor.role.isVector else { continue }
            guard tensor.role != .tokenEmbedding else {
                throw ConversionError("the adapter changes \(name), expected no update of the embedding")
            }
            guard pair.a.columns == tensor.columns, pair.b.rows == rowCounts[name] else {
                throw ConversionError(
                    "the adapter changes \(name) as a matrix [\(pair.b.rows) × \(pair.a.columns)], but the model's is "
                        + "[\(rowCounts[name] ?? 0) × \(tensor.columns)]")
            }
            if let copy = adapter.copies[name] { try tensor.requireEqual(to: copy) }
            unused.remove(name)
            var update = LowRankUpdate(a: pair.a, b: pair.b, scale: pair.scale)
            update.firstRow = part.place.rows?.lowerBound ?? 0
            update.interleavedHeadSize = family.interleavedHeadSize(
                of: tensor.role, in: adapter.format, configuration)
            tensors[part.tensor].parts[part.part].update = update
        }
        if let first = unused.min() {
            throw ConversionError(
                "the adapter changes \(unused.count) tensors that the model does not have, first '\(first)'")
        }
        hash = .bytes(hashed + [adapter.bytes])
        byteCount += adapter.bytes.count
        readByteCount += adapter.bytes.count
        fileName += " + \(adapter.name)"
        remarks.append("the adapter \(adapter.name) is merged: it changes \(adapter.pairs.count) matrices")
    }
}

/// A tensor, or one of those that it stacks, by its name in an adapter.
private struct NamedPart {
    /// Its number among the source's tensors, and among those that this one stacks.
    let tensor, part: Int
    let place: TensorPlace
    let name: String
}

extension SourceTensor {
    /// The tensors that lie one below the other; a tensor that stacks none is its only part.
    fileprivate var parts: [SourceTensor] {
        get {
            guard case .stacked(let parts) = storage else { return [self] }
            return parts
        }
        set {
            if case .stacked = storage { storage = .stacked(newValue) } else { self = newValue[0] }
        }
    }

    /// Checks that an adapter was made for this matrix.
    /// - Throws: `ConversionError` where it repeats the matrix of another model.
    fileprivate func requireEqual(to copy: LowRankUpdate.Factor) throws {
        var (own, other) = ([Float](repeating: 0, count: columns), [Float](repeating: 0, count: columns))
        guard copy.rows == rows, copy.columns == columns else {
            throw ConversionError(
                "\(copy.name) is [\(copy.rows) × \(copy.columns)], expected [\(rows) × \(columns)] as in the model"
            )
        }
        for row in 0..<rows {
            decode(row: row, into: &own)
            copy.read(row: row, into: &other)
            guard own == other else {
                throw ConversionError(
                    "\(copy.name) differs from \(name) in row \(row): the adapter was made for another model, or trained all "
                        + "of that matrix")
            }
        }
    }
}
