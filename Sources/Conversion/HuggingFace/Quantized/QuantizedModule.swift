// SPDX-License-Identifier: Apache-2.0
// The tensors of one quantized module, found by their suffixes and checked against the shapes that belong together.

import Formats
import Models

/// A module whose weight is stored in several tensors, such as `q_proj.qweight` and `q_proj.scales`.
struct QuantizedModule {
    /// The name before the suffixes, such as "model.layers.0.self_attn.q_proj".
    let name: String
    let weights: SafetensorsModel

    /// One of the tensors.
    struct Part {
        let tensor: SafetensorsTensor
        let bytes: ByteView

        /// Rows and columns; a tensor of one dimension is a column.
        var rows: Int { tensor.shape.first ?? 1 }
        var columns: Int { tensor.shape.count > 1 ? tensor.shape[1] : 1 }
    }

    /// A tensor of one of the types.
    /// - Throws: `ConversionError` if it is missing, of another type or of more than two dimensions.
    func part(_ suffix: String, _ types: [SafetensorsType]) throws -> Part {
        guard let part = try optionalPart(suffix, types) else {
            throw ConversionError("tensor \(name).\(suffix) is missing")
        }
        return part
    }

    func optionalPart(_ suffix: String, _ types: [SafetensorsType]) throws -> Part? {
        guard let (tensor, bytes) = weights.tensor(named: "\(name).\(suffix)") else { return nil }
        guard types.contains(tensor.type) else {
            let names = types.map(\.rawValue).joined(separator: ", ")
            throw ConversionError(
                "tensor \(tensor.name) is of type \(tensor.type.rawValue), expected one of \(names)")
        }
        // A dimension of 0 has no rows; decoded sizes are products that must not overflow.
        guard tensor.shape.count <= 2, tensor.shape.allSatisfy({ (1...1 << 31).contains($0) }) else {
            throw ConversionError(
                "tensor \(tensor.name) has the shape \(tensor.shape), expected at most 2 dimensions above 0")
        }
        return Part(tensor: tensor, bytes: bytes)
    }

    /// - Throws: `ConversionError` if a tensor has another shape.
    func require(_ part: Part, rows: Int, columns: Int) throws {
        guard part.rows == rows, part.columns == columns else {
            throw ConversionError(
                "tensor \(part.tensor.name) is [\(part.rows) × \(part.columns)], expected [\(rows) × \(columns)]"
            )
        }
    }

    /// Numbers of floating point, with their type.
    /// - Throws: `ConversionError` as `part` and `require`.
    func floats(
        _ suffix: String, rows: Int, columns: Int
    ) throws -> (table: NumberTable, type: NumberTable.FloatType) {
        let part = try part(suffix, [.f16, .bf16, .f32])
        try require(part, rows: rows, columns: columns)
        guard let type = NumberTable.FloatType(part.tensor.type) else {
            preconditionFailure("QuantizedModule: another type was refused")
        }
        return (NumberTable(storage: .floats(type, part.bytes), rowStride: columns), type)
    }

    /// The group of each column as a list, checked.
    ///
    /// - Throws: `ConversionError` for a shape other than [columns] and for groups that there are not.
    func groupList(_ suffix: String, columns: Int, groupCount: Int) throws -> [Int32]? {
        guard let part = try optionalPart(suffix, [.i32]) else { return nil }
        try require(part, rows: columns, columns: 1)
        let list = (0..<columns).map { part.bytes.load(Int32.self, at: 4 * $0) }
        if let column = list.firstIndex(where: { !(0..<groupCount).contains(Int($0)) }) {
            throw ConversionError(
                "tensor \(part.tensor.name) puts column \(column) into group \(list[column]), expected one below "
                    + "\(groupCount)")
        }
        return list
    }
}
