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
        guard let own = family, case .bytes(let parts) = hash else {
            throw ConversionError(
                "a .tiller file takes no adapter: merge it when the original model is converted")
        }
        let family = try adapter.architecture.map { try ModelFamilies.reading(architecture: $0) } ?? own
        guard family.name == own.name else {
            throw ConversionError("the adapter is for the family \(family.name), the model is of \(own.name)")
        }
        let places = tensors.map { family.place(of: $0.role, in: adapter.format, configuration) }
        let names = zip(places, tensors).map { $0.fullName(layer: $1.layer, in: adapter.format) }
        // Several tensors may be rows of one.
        var rowCounts: [String: Int] = [:]
        for (name, tensor) in zip(names, tensors) { rowCounts[name, default: 0] += tensor.rows }
        var unused = Set(adapter.pairs.keys)
        for (index, name) in names.enumerated() {
            guard let pair = adapter.pairs[name], !tensors[index].role.isVector else { continue }
            let tensor = tensors[index]
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
            update.firstRow = places[index].rows?.lowerBound ?? 0
            if adapter.format == .gguf, family.interleavesHeadsInGGUF, [.query, .key].contains(tensor.role) {
                update.interleavedHeadSize = configuration.headSize
            }
            tensors[index].update = update
        }
        if let first = unused.min() {
            throw ConversionError(
                "the adapter changes \(unused.count) tensors that the model does not have, first '\(first)'")
        }
        hash = .bytes(parts + [adapter.bytes])
        byteCount += adapter.bytes.count
        readByteCount += adapter.bytes.count
        fileName += " + \(adapter.name)"
        remarks.append("the adapter \(adapter.name) is merged: it changes \(adapter.pairs.count) matrices")
    }
}

extension SourceTensor {
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
