// SPDX-License-Identifier: Apache-2.0
// Checkpoints of GPTQ (arXiv 2210.17323) as AutoGPTQ and GPTQModel write them: codes packed down the columns of a transposed
// matrix, zero points packed along its rows, and the group of each input column.

import Formats
import JSON
import Models

struct GPTQQuantization: QuantizationMethod {
    let name = "GPTQ"
    let marker = "qweight", codes = "qweight"
    let parts = ["qweight", "qzeros", "scales", "g_idx"]

    private let bitCount: Int
    private let groupSize: Int?
    /// Whether columns were quantized in the order of their activations, so that groups are not consecutive.
    private let isReordered: Bool
    /// Whether zero points are stored less 1, as in the first version of the format.
    private let isFirstVersion: Bool

    /// - Parameter settings: the member `quantization_config` of `config.json`.
    init(_ settings: JSONSection) throws {
        bitCount = try settings.integer("bits", among: [2, 3, 4, 8])
        groupSize = try settings.groupSize()
        isReordered = try settings.optionalBool("desc_act") ?? false
        for key in ["checkpoint_format", "format"] {
            try settings.requireText(key, among: ["gptq", "gptq_v2"])
        }
        try settings.requireText("pack_dtype", among: ["int32"])
        if try settings.optionalBool("is_marlin_format") == true {
            throw settings.refusal("is_marlin_format", "true", expected: "false")
        }
        let format = try settings.optionalString("checkpoint_format") ?? settings.optionalString("format")
        isFirstVersion = format != "gptq_v2"
        // Rules for single modules: those that exclude modules are visible in the tensors.
        for rule in try settings.optionalObject("dynamic")?.object ?? [:] where !rule.key.hasPrefix("-:") {
            throw settings.refusal("dynamic", "'\(rule.key)'", expected: "one setting for all modules")
        }
    }

    /// GPTQModel adds 1 to a zero point of 2, 4 or 8 bits by adding to whole words, since its writer subtracts from whole words; in
    /// words of 3 bits it adds to each number. The weights have the precision of the scales, in which it multiplies.
    func matrix(of module: QuantizedModule) throws -> QuantizedMatrix {
        let packed = try module.part("qweight", [.i32])
        let (rows, columns) = (packed.columns, packed.rows * 32 / bitCount)
        guard columns * bitCount == packed.rows * 32 else {
            throw ConversionError(
                "tensor \(module.name).qweight has \(packed.rows) rows, expected a multiple of \(bitCount)")
        }
        let groupSize = groupSize ?? columns
        let groupCount = (columns + groupSize - 1) / groupSize
        let zeros = try module.part("qzeros", [.i32])
        let zeroWordCount = PackedIntegers.wordCount(rows, bitCount: bitCount)
        try module.require(zeros, rows: groupCount, columns: zeroWordCount)
        var zeroIntegers = PackedIntegers(
            words: zeros.bytes, bitCount: bitCount, streamStride: zeroWordCount, wordStride: 1)
        if isFirstVersion {
            if 32 % bitCount == 0 {
                zeroIntegers.wordAddend = .max / (1 << UInt32(bitCount) - 1)
            } else {
                zeroIntegers.addend = 1
            }
        }
        var scales = try module.floats("scales", rows: groupCount, columns: rows)
        (scales.table.rowStride, scales.table.columnStride) = (1, rows)
        let codes = PackedIntegers(
            words: packed.bytes, bitCount: bitCount, streamStride: 1, wordStride: rows)
        return QuantizedMatrix(
            rows: rows, columns: columns,
            codes: NumberTable(storage: .packed(codes, byColumns: false, offset: 0)),
            scales: scales.table,
            zeros: NumberTable(storage: .packed(zeroIntegers, byColumns: true, offset: 0)),
            groups: try groups(of: module, columns: columns, groupCount: groupCount, size: groupSize),
            groupCount: groupCount, rounding: scales.type)
    }

    private func groups(
        of module: QuantizedModule, columns: Int, groupCount: Int, size: Int
    ) throws -> QuantizedMatrix.Groups {
        guard let list = try module.groupList("g_idx", columns: columns, groupCount: groupCount),
            !list.enumerated().allSatisfy({ $0.offset / size == Int($0.element) })
        else { return .consecutive(size: size) }
        // Readers disagree about such a file: some ignore the list.
        guard isReordered else {
            throw ConversionError(
                "tensor \(module.name).g_idx reorders columns, but config.json says that desc_act is false")
        }
        return .listed(list)
    }
}
