// SPDX-License-Identifier: Apache-2.0
// MLX's affine quantization: `weight` holds codes, `scales` and `biases` one number for each group of a row. Embeddings may be
// quantized too, and single modules otherwise than the rest.

import Formats
import JSON
import Models

struct MLXQuantization: QuantizationMethod {
    let name = "MLX"
    let marker = "scales", codes = "weight"
    let parts = ["weight", "scales", "biases"]

    private let settings: JSONSection

    /// - Parameter settings: the member `quantization` of `config.json`.
    init(_ settings: JSONSection) throws {
        self.settings = settings
        _ = try Self.sizes(settings)
    }

    private static func sizes(_ settings: JSONSection) throws -> (groupSize: Int, bitCount: Int) {
        try settings.requireText("mode", among: ["affine"])
        return (
            try settings.integer("group_size", among: [32, 64, 128]),
            try settings.integer("bits", among: [2, 3, 4, 5, 6, 8])
        )
    }

    /// The settings of a module: its own, if there are any.
    private func sizes(of module: String) throws -> (groupSize: Int, bitCount: Int) {
        switch settings[module] {
        case nil, .bool(true)?: return try Self.sizes(settings)
        case .bool(false)?:
            throw settings.refusal(module, "false", expected: "settings: the module has scales")
        case _?: return try Self.sizes(settings.object(module))
        }
    }

    /// Products with quantized matrices multiply in Float32, so the weights are not rounded to the type of the scales.
    func matrix(of module: QuantizedModule) throws -> QuantizedMatrix {
        let (groupSize, bitCount) = try sizes(of: module.name)
        let packed = try module.part("weight", [.u32])
        let (rows, columns) = (packed.rows, packed.columns * 32 / bitCount)
        guard columns * bitCount == packed.columns * 32, columns % groupSize == 0 else {
            throw ConversionError(
                "tensor \(module.name).weight has rows of \(packed.columns) words, expected whole groups of \(groupSize) "
                    + "numbers of \(bitCount) bits")
        }
        let groupCount = columns / groupSize
        let integers = PackedIntegers(
            words: packed.bytes, bitCount: bitCount, streamStride: packed.columns, wordStride: 1)
        return QuantizedMatrix(
            rows: rows, columns: columns,
            codes: NumberTable(storage: .packed(integers, byColumns: false, offset: 0)),
            scales: try module.floats("scales", rows: rows, columns: groupCount).table,
            biases: try module.floats("biases", rows: rows, columns: groupCount).table,
            groups: .consecutive(size: groupSize), groupCount: groupCount)
    }
}
