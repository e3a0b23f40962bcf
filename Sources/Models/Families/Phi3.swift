// SPDX-License-Identifier: Apache-2.0
// Phi-3 and Phi-4-mini (arXiv 2404.14219, 2503.01743): partial rotary with LongRoPE's factors; query, key and value are one
// matrix, gate and up another.

import Formats

enum Phi3: ModelFamily {
    static let name = "phi3"
    static let architectures = ["phi3"]
    static let modelTypes = ["phi3"]

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(Self.self, rotatesPartially: true)
        setWindow(try parameters.optionalInteger("attention.sliding_window"), in: &configuration)
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(
            Self.self, epsilon: 1e-5,
            rotary: parameters.rotary(
                headSize: parameters.headSize(), originalContextLength: 4096, rotatesPartially: true,
                hasLongRoPE: true))
        setWindow(try parameters.text.optionalInteger("sliding_window"), in: &configuration)
        return configuration
    }

    /// A window of the whole context, as in Phi-4-mini, is no window. llama.cpp ignores shorter ones, transformers does not.
    private static func setWindow(_ size: Int?, in configuration: inout ModelConfiguration) {
        guard let size, size > 0, size < configuration.contextLength else { return }
        configuration.forEachLayer { $0.attention?.window = size }
    }

    static func place(
        of role: TensorRole, in format: SourceFormat, _ configuration: ModelConfiguration
    ) -> TensorPlace {
        let (isGGUF, size) = (format == .gguf, configuration.intermediateSize)
        let (query, key) = (configuration.querySize, configuration.keyValueSize)
        let attention = isGGUF ? "attn_qkv.weight" : "self_attn.qkv_proj.weight"
        let feedForward = isGGUF ? "ffn_up.weight" : "mlp.gate_up_proj.weight"
        return switch role {
        case .query: TensorPlace(attention, rows: 0..<query)
        case .key: TensorPlace(attention, rows: query..<query + key)
        case .value: TensorPlace(attention, rows: query + key..<query + 2 * key)
        case .gate: TensorPlace(feedForward, rows: 0..<size)
        case .up: TensorPlace(feedForward, rows: size..<2 * size)
        default: usualPlace(of: role, in: format, configuration)
        }
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Phi3.self, to: $0) }
