// SPDX-License-Identifier: Apache-2.0
// An adapter as written by llama.cpp's convert_lora_to_gguf.py: tensors NAME.lora_a and NAME.lora_b beside metadata with
// general.type adapter, with rows in the order of GGUF models.

import Formats
import Models
import Quantization

extension Adapter {
    /// Reads an open file.
    init(gguf file: GGUFFile, _ bytes: ByteView, name: String) throws {
        for (key, expected) in [("general.type", "adapter"), ("adapter.type", "lora")] {
            let found = file.metadata[key].map { $0.string.map { "'\($0)'" } ?? "no text" } ?? "missing"
            guard found == "'\(expected)'" else {
                throw ConversionError("\(key) is \(found), expected '\(expected)' of an adapter")
            }
        }
        guard let architecture = file.metadata["general.architecture"]?.string else {
            throw ConversionError("the adapter names no general.architecture")
        }
        guard file.metadata["adapter.alora.invocation_tokens"] == nil else {
            throw ConversionError("adapter.alora.invocation_tokens is present, expected plain LoRA")
        }
        guard let alpha = file.metadata["adapter.lora.alpha"]?.float, alpha.isFinite else {
            throw ConversionError("adapter.lora.alpha is missing or no number")
        }
        var collection = Collection()
        for tensor in file.tensors {
            let isA = tensor.name.hasSuffix(".lora_a")
            guard isA || tensor.name.hasSuffix(".lora_b"), tensor.dimensions.count == 2 else {
                throw ConversionError(
                    "tensor \(tensor.name) is not read, expected matrices ….lora_a and ….lora_b")
            }
            let factor = LowRankUpdate.Factor(
                name: tensor.name, type: tensor.type, rows: tensor.rows, columns: tensor.columns,
                bytes: file.view(of: tensor))
            try collection.add(factor, isA: isA, of: String(tensor.name.dropLast(7)))
        }
        self.name = name
        format = .gguf
        self.architecture = architecture
        // An alpha of 0 stands for a scale of 1, as llama.cpp reads it.
        pairs = try collection.pairs { _, rank in alpha == 0 ? 1 : Float(alpha / Double(rank)) }
        copies = [:]
        self.bytes = bytes
    }
}
