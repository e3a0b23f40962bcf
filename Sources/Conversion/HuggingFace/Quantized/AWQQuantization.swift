// SPDX-License-Identifier: Apache-2.0
// Checkpoints of AWQ (arXiv 2306.00978) in AutoAWQ's layout "gemm": a transposed matrix of 4-bit codes, eight in a word in the
// order 0, 2, 4, 6, 1, 3, 5, 7.

import Formats
import JSON
import Models

struct AWQQuantization: QuantizationMethod {
    let name = "AWQ"
    let marker = "qweight", codes = "qweight"
    let parts = ["qweight", "qzeros", "scales"]

    private static let bitCount = 4
    private let groupSize: Int?

    /// - Parameter settings: the member `quantization_config` of `config.json`.
    init(_ settings: JSONSection) throws {
        _ = try settings.integer("bits", among: [Self.bitCount])
        groupSize = try settings.groupSize()
        for key in ["version", "format", "checkpoint_format"] {
            guard let name = try settings.optionalString(key), name.lowercased() != "gemm" else { continue }
            throw settings.refusal(key, "'\(name)'", expected: "gemm")
        }
        if try settings.optionalBool("zero_point") == false {
            throw settings.refusal("zero_point", "false", expected: "true")
        }
    }

    /// The weights have the precision of the scales, in which AutoAWQ multiplies.
    func matrix(of module: QuantizedModule) throws -> QuantizedMatrix {
        let packed = try module.part("qweight", [.i32])
        let (rows, columns) = (packed.columns * 8, packed.rows)
        let groupSize = groupSize ?? columns
        guard columns % groupSize == 0 else {
            throw ConversionError(
                "tensor \(module.name).qweight has \(columns) rows, expected whole groups of \(groupSize)")
        }
        let groupCount = columns / groupSize
        let zeros = try module.part("qzeros", [.i32])
        try module.require(zeros, rows: groupCount, columns: packed.columns)
        func table(_ part: QuantizedModule.Part) -> NumberTable {
            let integers = PackedIntegers(
                words: part.bytes, bitCount: Self.bitCount, streamStride: packed.columns, wordStride: 1,
                isInterleaved: true)
            return NumberTable(storage: .packed(integers, byColumns: true, offset: 0))
        }
        var scales = try module.floats("scales", rows: groupCount, columns: rows)
        (scales.table.rowStride, scales.table.columnStride) = (1, rows)
        return QuantizedMatrix(
            rows: rows, columns: columns, codes: table(packed), scales: scales.table, zeros: table(zeros),
            groups: .consecutive(size: groupSize), groupCount: groupCount, rounding: scales.type)
    }
}
