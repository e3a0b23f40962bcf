// SPDX-License-Identifier: Apache-2.0
// Weights in 8-bit floating point, E4M3, with scales for blocks of a matrix (DeepSeek-V3, arXiv 2412.19437, §3.3), for its rows or
// for all of it.

import Formats
import JSON
import Models

struct Float8Quantization: QuantizationMethod {
    let name = "FP8"
    let marker: String
    let codes = "weight"
    let parts: [String]
    let remark: String? = activationRemark

    /// Rows and columns of a block; nil for scales of rows or of the matrix.
    private let block: (rows: Int, columns: Int)?

    /// - Parameters:
    ///   - settings: the member `quantization_config` of `config.json`.
    ///   - weights: the tensors, whose names tell how writers call the scales: most multiply by them, and one calls them inverse.
    init(_ settings: JSONSection, of weights: SafetensorsModel) throws {
        let inverse = "weight_scale_inv"
        marker = weights.tensorNames.contains { $0.hasSuffix(".\(inverse)") } ? inverse : "weight_scale"
        parts = ["weight", marker, "input_scale", "activation_scale", "input_scale_ub"]
        try settings.requireText("fmt", among: ["e4m3"])
        block = try settings.block("weight_block_size")
    }

    /// Products are not rounded: kernels multiply sums by the scale, in Float32.
    func matrix(of module: QuantizedModule) throws -> QuantizedMatrix {
        let weight = try module.part("weight", [.f8_e4m3])
        return try scaled(
            module, NumberTable(storage: .float8(weight.bytes), rowStride: weight.columns),
            rows: weight.rows, columns: weight.columns, scale: marker, block: block
        ).matrix
    }
}

/// What a source with quantized activations loses here.
let activationRemark =
    "the source quantizes activations as well as weights; here the weights are read, and activations keep their precision"

extension JSONSection {
    /// The two sizes of a block; nil if the member is missing.
    func block(_ key: String) throws -> (rows: Int, columns: Int)? {
        guard self[key] != nil else { return nil }
        let sizes = try integers(key)
        guard sizes.count == 2, sizes.allSatisfy({ (1...1 << 20).contains($0) }) else {
            throw refusal(key, "\(sizes.prefix(4))", expected: "the rows and columns of a block")
        }
        return (sizes[0], sizes[1])
    }
}

/// A matrix of codes with scales of blocks or, without a block, of rows or of all: what the scales' shape says.
func scaled(
    _ module: QuantizedModule, _ codes: NumberTable, rows: Int, columns: Int, scale: String,
    block: (rows: Int, columns: Int)?
) throws -> (matrix: QuantizedMatrix, type: NumberTable.FloatType) {
    let shape = try module.part(scale, [.f16, .bf16, .f32])
    let block = block ?? (rows: shape.rows == 1 ? rows : 1, columns: columns)
    let rowsOfScales = (rows + block.rows - 1) / block.rows
    let groupCount = (columns + block.columns - 1) / block.columns
    let scales = try module.floats(scale, rows: rowsOfScales, columns: groupCount)
    let matrix = QuantizedMatrix(
        rows: rows, columns: columns, codes: codes, scales: scales.table,
        groups: .consecutive(size: block.columns), groupCount: groupCount, rowsPerScale: block.rows)
    return (matrix, scales.type)
}
