// SPDX-License-Identifier: Apache-2.0
// Which method quantized a model folder, from `config.json`. A method that is not known is refused by name: its weights would be
// noise.

import Formats
import JSON
import Models

/// How the weights of a folder are quantized.
protocol QuantizationMethod {
    var name: String { get }
    /// The suffix of the tensor that every quantized module has, and no other.
    var marker: String { get }
    /// The suffix of the tensor that holds the codes.
    var codes: String { get }
    /// Suffixes of tensors that belong to a quantized module's weight.
    var parts: [String] { get }
    /// What a reader should know, one sentence; nil for nothing.
    var remark: String? { get }

    /// The weight of a module.
    ///
    /// - Throws: `ConversionError` for tensors that are missing or do not fit each other.
    func matrix(of module: QuantizedModule) throws -> QuantizedMatrix
}

extension QuantizationMethod {
    var remark: String? { nil }
}

/// The method that `config.json` states; nil for none.
///
/// - Throws: `ConversionError` that names an unknown method, or a setting that is not supported.
func quantizationMethod(of folder: HuggingFaceModel) throws -> (any QuantizationMethod)? {
    // MLX repeats its settings under the key of transformers.
    if let settings = try folder.config.optionalObject("quantization") {
        return try MLXQuantization(settings)
    }
    for section in [folder.config, folder.text] {
        for key in ["quantization_config", "compression_config"] {
            guard let settings = try section.optionalObject(key) else { continue }
            switch try settings.optionalString("quant_method") {
            case "gptq": return try GPTQQuantization(settings)
            case "awq": return try AWQQuantization(settings)
            case "compressed-tensors": return try CompressedTensorsQuantization(settings)
            case "fp8", "fbgemm_fp8": return try Float8Quantization(settings, of: folder.weights)
            case let other:
                throw settings.refusal(
                    "quant_method", other.map { "'\($0)'" } ?? "missing",
                    expected: "gptq, awq, compressed-tensors, fp8 or fbgemm_fp8")
            }
        }
    }
    return nil
}

extension JSONSection {
    /// An integer that is one of some.
    func integer(_ key: String, among values: [Int]) throws -> Int {
        let value = try integer(key)
        guard values.contains(value) else {
            let names = values.map { "\($0)" }.joined(separator: ", ")
            throw refusal(key, "\(value)", expected: "one of \(names)")
        }
        return value
    }

    /// Columns in a group; nil where -1 stands for all columns.
    func groupSize(_ key: String = "group_size") throws -> Int? {
        let size = try integer(key)
        guard size == -1 || (1...1 << 20).contains(size) else {
            throw refusal(key, "\(size)", expected: "-1 or a number of columns")
        }
        return size == -1 ? nil : size
    }

    /// Refuses a text other than those that the reader knows; a missing one is accepted.
    func requireText(_ key: String, among names: [String]) throws {
        guard let name = try optionalString(key), !names.contains(name) else { return }
        throw refusal(key, "'\(name)'", expected: names.joined(separator: " or "))
    }
}
