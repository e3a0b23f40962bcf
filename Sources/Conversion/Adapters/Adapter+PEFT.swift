// SPDX-License-Identifier: Apache-2.0
// An adapter as saved by Hugging Face's PEFT: adapter_config.json and adapter_model.safetensors. Whatever changes more than
// matrices by products of two factors is refused by name.

import Formats
import Glibc
import JSON
import Models
import Platform
import Quantization

extension Adapter {
    static let configName = "adapter_config.json", weightsName = "adapter_model.safetensors"

    /// Reads a folder.
    init(folder: String) throws {
        guard let config = try JSONSection(folder: folder, file: Self.configName) else {
            throw ConversionError("\(folder) has no \(Self.configName), which the folder of an adapter has")
        }
        try config.refuseOtherAdapters()
        let scales = try PEFTScales(config)
        let path = "\(folder)/\(Self.weightsName)"
        guard access(path, F_OK) == 0 else {
            let isPickled = access("\(folder)/adapter_model.bin", F_OK) == 0
            throw ConversionError(
                "\(folder) has no \(Self.weightsName)" + (isPickled ? "; adapter_model.bin is not read" : ""))
        }
        let file = try SafetensorsFile(path: path)
        var (collection, modules) = (Collection(), [String: String]())
        var copies: [String: LowRankUpdate.Factor] = [:]
        for tensor in file.tensors {
            if tensor.name.hasPrefix(Self.prefix), tensor.name.hasSuffix(Self.copySuffix) {
                let module = tensor.name.dropFirst(Self.prefix.utf8.count).dropLast(
                    Self.copySuffix.utf8.count)
                copies[HuggingFaceTensorNames.inner("\(module).weight")] = try LowRankUpdate.Factor(
                    tensor, file.bytes(of: tensor))
                continue
            }
            let (module, isA) = try Self.place(of: tensor.name)
            let weight = HuggingFaceTensorNames.inner("\(module).weight")
            modules[weight] = module
            try collection.add(
                LowRankUpdate.Factor(tensor, file.bytes(of: tensor)), isA: isA, of: weight)
        }
        name = folder.split(separator: "/").last.map(String.init) ?? folder
        format = .folder
        architecture = nil
        pairs = try collection.pairs { weight, rank in
            try scales.scale(of: modules[weight] ?? weight, rank: rank)
        }
        self.copies = copies
        bytes = file.bytes
    }

    private static let prefix = "base_model.model.", copySuffix = ".base_layer.weight"

    /// The module that a tensor belongs to, such as "model.layers.0.self_attn.q_proj", and which factor the tensor is.
    private static func place(of name: String) throws -> (module: String, isA: Bool) {
        for (suffix, isA) in [(".lora_A.weight", true), (".lora_B.weight", false)] {
            guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { continue }
            return (String(name.dropFirst(prefix.utf8.count).dropLast(suffix.utf8.count)), isA)
        }
        throw ConversionError(
            "tensor \(name) is not read, expected \(prefix)….lora_A.weight and ….lora_B.weight alone")
    }
}

extension LowRankUpdate.Factor {
    /// - Throws: `ConversionError` for an unsupported type, and for anything but a matrix.
    fileprivate init(_ tensor: SafetensorsTensor, _ bytes: ByteView) throws {
        guard let type = GGMLType(tensor.type) else {
            throw ConversionError(
                "tensor \(tensor.name) is of type \(tensor.type.rawValue), expected F32, F16 or BF16")
        }
        guard tensor.shape.count == 2, !tensor.shape.contains(0) else {
            throw ConversionError("tensor \(tensor.name) has the shape \(tensor.shape), expected a matrix")
        }
        self.init(
            name: tensor.name, type: type, rows: tensor.shape[0], columns: tensor.shape[1], bytes: bytes)
    }
}

/// The scale of each matrix: alpha / r, or alpha / √r with rank stabilization (arXiv 2312.03732), with values of its own for some.
private struct PEFTScales {
    private let rank: Int
    private let alpha: Float
    private let isRankStabilized: Bool
    private let ranks: [(pattern: String, value: Int)]
    private let alphas: [(pattern: String, value: Float)]

    init(_ config: JSONSection) throws {
        rank = try config.integer("r")
        alpha = try config.float("lora_alpha")
        isRankStabilized = try config.optionalBool("use_rslora") ?? false
        ranks = try Self.patterns(config, "rank_pattern") { try $0.integer($1) }
        alphas = try Self.patterns(config, "alpha_pattern") { try $0.float($1) }
    }

    /// PEFT takes keys as regular expressions; those that are read are names, or ends of names.
    private static func patterns<Value>(
        _ config: JSONSection, _ key: String, _ value: (JSONSection, String) throws -> Value
    ) throws -> [(pattern: String, value: Value)] {
        guard let section = try config.optionalObject(key) else { return [] }
        return try section.object.map { member in
            guard member.key.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "_.".contains($0)) })
            else {
                throw section.refusal(
                    member.key, "a regular expression", expected: "the name of a module, or the end of one")
            }
            return (member.key, try value(section, member.key))
        }
    }

    private func first<Value>(_ patterns: [(pattern: String, value: Value)], _ module: String) -> Value? {
        patterns.first { module == $0.pattern || module.hasSuffix(".\($0.pattern)") }?.value
    }

    /// - Parameter found: the rank of the factors.
    func scale(of module: String, rank found: Int) throws -> Float {
        let rank = first(ranks, module) ?? rank
        guard rank == found else {
            throw ConversionError(
                "the factors of \(module) have the rank \(found), expected \(rank) as \(Adapter.configName) says"
            )
        }
        let divisor = isRankStabilized ? Double(rank).squareRoot() : Double(rank)
        return Float(Double(first(alphas, module) ?? alpha) / divisor)
    }
}

extension JSONSection {
    /// Refuses whatever is not plain LoRA.
    fileprivate func refuseOtherAdapters() throws {
        let type = try string("peft_type")
        guard type == "LORA" else { throw refusal("peft_type", "'\(type)'", expected: "'LORA'") }
        if let bias = try optionalString("bias"), bias != "none" {
            throw refusal("bias", "'\(bias)'", expected: "'none': biases are not trained")
        }
        for key in [
            "use_dora", "fan_in_fan_out", "lora_bias", "use_qalora", "use_bdlora", "modules_to_save",
            "trainable_token_indices", "alora_invocation_tokens", "target_parameters", "layer_replication",
            "arrow_config", "megatron_config", "monteclora_config", "kasa_config",
        ] {
            guard let value = self[key], value != false, value != [], value != [:] else { continue }
            throw refusal(
                key, value == true ? "true" : value.kindName, expected: "nothing: it is more than LoRA")
        }
        // Others also change the weights of the base.
        if let name = self["init_lora_weights"]?.stringValue,
            !["gaussian", "eva", "orthogonal"].contains(name)
        {
            throw refusal(
                "init_lora_weights", "'\(name)'", expected: "a way that leaves the base model as it was")
        }
    }
}
