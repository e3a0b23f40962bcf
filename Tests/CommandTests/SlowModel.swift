// SPDX-License-Identifier: Apache-2.0
// A model that takes long enough to convert to be interrupted: the tiny llama with a wide feed-forward network.

import Formats
import TestSupport

extension Workplace {
    /// Writes `slow.gguf`, about 19 MB of Float32 weights.
    func writeSlowModel() throws -> String {
        let (layers, hidden, wide) = (2, 64, 12_288)
        let source = try GGUFFile(path: Workplace.fixtures + "/llama.gguf")
        var writer = GGUFWriter()
        writer.set("general.architecture", .string("llama"))
        for (key, value) in [
            ("context_length", 128), ("embedding_length", hidden), ("block_count", layers),
            ("feed_forward_length", wide), ("attention.head_count", 4), ("attention.head_count_kv", 2),
        ] { writer.set("llama." + key, .uint32(UInt32(value))) }
        writer.set("llama.attention.layer_norm_rms_epsilon", .float32(1e-5))
        writer.set("tokenizer.ggml.model", .string("gpt2"))
        writer.set("tokenizer.ggml.pre", .string("smollm"))
        for key in ["tokens", "merges"] {
            guard let texts = source.metadata["tokenizer.ggml." + key]?.strings else { continue }
            writer.set("tokenizer.ggml." + key, .strings(texts.map { String(decoding: $0, as: UTF8.self) }))
        }
        writer.set("tokenizer.ggml.eos_token_id", .uint32(289))
        var random = SeededGenerator(seed: 1)
        let row = (0..<wide).flatMap { _ in
            withUnsafeBytes(of: random.nextNormal().bitPattern.littleEndian, Array.init)
        }
        for tensor in source.tensors {
            guard let name = tensor.name.split(separator: ".").first(where: { $0.hasPrefix("ffn_") }),
                ["ffn_gate", "ffn_up", "ffn_down"].contains(name)
            else {
                writer.add(
                    tensor.name, type: tensor.type, dimensions: tensor.dimensions,
                    bytes: Array(source.bytes(of: tensor)))
                continue
            }
            let dimensions = name == "ffn_down" ? [hidden, wide] : [wide, hidden]
            let bytes = [UInt8]((0..<hidden).map { _ in row }.joined())
            writer.add(tensor.name, type: .f32, dimensions: dimensions, bytes: bytes)
        }
        try writer.write(to: path("slow.gguf"), replaceExisting: false)
        return path("slow.gguf")
    }
}
