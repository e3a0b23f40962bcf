// SPDX-License-Identifier: Apache-2.0
// Checkpoints of compressed-tensors: codes packed into words, as bytes, or as 8-bit floating point, with scales of groups, rows,
// blocks or whole matrices. Its formats for two-of-four sparsity, rotations and 4-bit floating point are refused.

import Formats
import JSON
import Models

struct CompressedTensorsQuantization: QuantizationMethod {
    let name = "compressed-tensors"
    let marker: String
    let codes: String
    let parts = [
        "weight", "weight_packed", "weight_scale", "weight_zero_point", "weight_shape", "weight_g_idx",
        "input_scale", "input_zero_point", "output_scale", "output_zero_point",
    ]
    let remark: String?

    private enum Strategy: String {
        case tensor, channel, group, block
    }

    private let isPacked: Bool
    private let isFloat: Bool
    private let bitCount: Int
    private let isSymmetric: Bool
    private let strategy: Strategy
    /// Columns in a group.
    private let groupSize: Int
    private let block: (rows: Int, columns: Int)?

    /// - Parameter settings: the member `quantization_config` of `config.json`.
    init(_ settings: JSONSection) throws {
        let formats = ["pack-quantized", "int-quantized", "naive-quantized", "float-quantized"]
        let format = try settings.string("format")
        try settings.requireText("format", among: formats)
        isPacked = format == "pack-quantized"
        marker = isPacked ? "weight_packed" : "weight_scale"
        codes = isPacked ? "weight_packed" : "weight"
        if let sparsity = try settings.optionalObject("sparsity_config") {
            try sparsity.requireText("format", among: ["dense"])
        }
        for key in ["kv_cache_scheme", "transform_config"] {
            guard let value = settings[key], value != [:] else { continue }
            throw settings.refusal(key, value.kindName, expected: "null: nothing else is supported")
        }
        let weights = try Self.weights(settings.object("config_groups"), format: format)
        isFloat = try weights.optionalString("type") == "float"
        try weights.requireText("type", among: isPacked ? ["int"] : ["int", "float"])
        bitCount = try weights.integer("num_bits", among: isPacked ? [2, 4, 8] : isFloat ? [8] : [4, 8])
        isSymmetric = try weights.optionalBool("symmetric") ?? true
        let name =
            try weights.optionalString("strategy") ?? (weights["group_size"] == nil ? "tensor" : "group")
        guard let strategy = Strategy(rawValue: name) else {
            throw weights.refusal("strategy", "'\(name)'", expected: "tensor, channel, group or block")
        }
        self.strategy = strategy
        groupSize = strategy == .group ? try weights.integer("group_size") : 0
        guard strategy != .group || (1...1 << 20).contains(groupSize) else {
            throw weights.refusal("group_size", "\(groupSize)", expected: "a number of columns")
        }
        block = strategy == .block ? try weights.block("block_structure") : nil
        if strategy == .block, block == nil {
            throw weights.refusal("block_structure", "missing", expected: "the rows and columns of a block")
        }
        let groups = try settings.object("config_groups")
        let hasActivations = try groups.object.contains {
            try groups.object($0.key)["input_activations"] != nil
        }
        remark = hasActivations ? activationRemark : nil
    }

    /// The settings of weights, which all groups of modules share.
    private static func weights(_ groups: JSONSection, format: String) throws -> JSONSection {
        var found: JSONSection?
        for group in groups.object {
            let settings = try groups.object(group.key)
            try settings.requireText("format", among: [format])
            let weights = try settings.object("weights")
            guard found.map({ $0.object == weights.object }) ?? true else {
                throw groups.refusal(
                    "\(group.key).weights", "different from those of another group",
                    expected: "one setting for all modules")
            }
            found = weights
        }
        guard let found else {
            throw ConversionError(
                "\(groups.file): \(groups.path.dropLast()) is empty, expected a group of modules")
        }
        return found
    }

    /// The weights have the precision of the scales, in which the library multiplies.
    func matrix(of module: QuantizedModule) throws -> QuantizedMatrix {
        let (codes, rows, columns) = try codes(of: module)
        var block = block
        switch strategy {
        case .group:
            guard columns % groupSize == 0 else {
                throw ConversionError(
                    "\(module.name) has \(columns) columns, expected whole groups of \(groupSize)")
            }
            block = (1, groupSize)
        case .channel: block = (1, columns)
        case .tensor: block = (rows, columns)
        case .block: break
        }
        let (matrix, type) = try scaled(
            module, codes, rows: rows, columns: columns, scale: "weight_scale", block: block)
        return QuantizedMatrix(
            rows: rows, columns: columns, codes: codes, scales: matrix.scales,
            zeros: try zeros(of: module, matrix), groups: try groups(of: module, matrix),
            groupCount: matrix.groupCount, rowsPerScale: matrix.rowsPerScale, rounding: type)
    }

    private func codes(of module: QuantizedModule) throws -> (NumberTable, rows: Int, columns: Int) {
        guard isPacked else {
            let weight = try module.part("weight", [isFloat ? .f8_e4m3 : .i8])
            let storage: NumberTable.Storage = isFloat ? .float8(weight.bytes) : .int8(weight.bytes)
            return (NumberTable(storage: storage, rowStride: weight.columns), weight.rows, weight.columns)
        }
        let packed = try module.part("weight_packed", [.i32])
        let shape = try module.part("weight_shape", [.i64, .i32])
        try module.require(shape, rows: 2, columns: 1)
        let sizes = (0..<2).map {
            shape.tensor.type == .i64
                ? Int(shape.bytes.load(Int64.self, at: 8 * $0))
                : Int(shape.bytes.load(Int32.self, at: 4 * $0))
        }
        // Neither size is larger than the bits of the words, so that their product does not overflow.
        guard sizes[0] == packed.rows, sizes[1] > 0, sizes[1] <= packed.columns * 32,
            PackedIntegers.wordCount(sizes[1], bitCount: bitCount) == packed.columns
        else {
            throw ConversionError(
                "tensor \(module.name).weight_packed is [\(packed.rows) × \(packed.columns)], which does not fit a "
                    + "weight_shape of \(sizes) with \(bitCount) bits")
        }
        let integers = PackedIntegers(
            words: packed.bytes, bitCount: bitCount, streamStride: packed.columns, wordStride: 1)
        return (
            NumberTable(storage: .packed(integers, byColumns: false, offset: 1 << (bitCount - 1))), sizes[0],
            sizes[1]
        )
    }

    /// Zero points of the shape of the scales, as bytes or packed down the rows.
    private func zeros(of module: QuantizedModule, _ matrix: QuantizedMatrix) throws -> NumberTable? {
        guard let part = try module.optionalPart("weight_zero_point", isPacked ? [.i8, .i32] : [.i8]) else {
            guard isSymmetric else {
                throw ConversionError("tensor \(module.name).weight_zero_point is missing")
            }
            return nil
        }
        let rows = (matrix.rows + matrix.rowsPerScale - 1) / matrix.rowsPerScale
        guard part.tensor.type == .i32 else {
            try module.require(part, rows: rows, columns: matrix.groupCount)
            return NumberTable(storage: .int8(part.bytes), rowStride: matrix.groupCount)
        }
        try module.require(
            part, rows: PackedIntegers.wordCount(rows, bitCount: bitCount), columns: matrix.groupCount)
        let integers = PackedIntegers(
            words: part.bytes, bitCount: bitCount, streamStride: 1, wordStride: matrix.groupCount)
        return NumberTable(storage: .packed(integers, byColumns: true, offset: 1 << (bitCount - 1)))
    }

    /// The groups of columns that were quantized in the order of their activations (`actorder`).
    private func groups(of module: QuantizedModule, _ matrix: QuantizedMatrix) throws
        -> QuantizedMatrix.Groups
    {
        guard strategy == .group,
            let list = try module.groupList(
                "weight_g_idx", columns: matrix.columns, groupCount: matrix.groupCount)
        else { return matrix.groups }
        // The library sorts columns by group and cuts them into equal groups: the same only if all are equal.
        var sizes = [Int](repeating: 0, count: matrix.groupCount)
        for group in list { sizes[Int(group)] += 1 }
        guard sizes.allSatisfy({ $0 == groupSize }) else {
            throw ConversionError(
                "tensor \(module.name).weight_g_idx has groups of different sizes, expected \(groupSize) columns in each"
            )
        }
        return .listed(list)
    }
}
