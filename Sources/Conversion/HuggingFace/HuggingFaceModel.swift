// SPDX-License-Identifier: Apache-2.0
// A model folder as saved by Hugging Face's transformers: JSON files and the weights.

import Formats
import Glibc
import JSON
import Models
import Platform

/// The files of a model folder, read except for the weights' numbers.
struct HuggingFaceModel {
    let path: String
    let config: JSONSection
    /// The part of `config.json` that describes the language model: the whole file, or one object of it.
    let text: JSONSection
    let generation: JSONSection?
    let tokenizer: JSONSection
    let tokenizerConfig: JSONSection?
    let specialTokens: JSONSection?
    let chatTemplate: String?
    /// As named in the metadata of `README.md`; empty if it is missing.
    let license: String
    let weights: SafetensorsModel
    /// The files that were read.
    let fileNames: [String]

    private static let names = [
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "chat_template.json", "chat_template.jinja", SafetensorsModel.indexName,
    ]

    /// - Throws: `ConversionError` for a missing file or invalid content, `FileError`, or `FormatError` of the weights.
    init(path: String) throws {
        self.path = path
        guard let config = try JSONSection(folder: path, file: "config.json") else {
            throw ConversionError(
                "\(path) has no config.json; a model folder has config.json, tokenizer.json and model.safetensors"
            )
        }
        self.config = config
        text = try config.optionalObject("text_config") ?? config
        generation = try JSONSection(folder: path, file: "generation_config.json")
        tokenizerConfig = try JSONSection(folder: path, file: "tokenizer_config.json")
        specialTokens = try JSONSection(folder: path, file: "special_tokens_map.json")
        guard let tokenizer = try JSONSection(folder: path, file: "tokenizer.json") else {
            throw ConversionError(
                "\(path) has no tokenizer.json"
                    + (access("\(path)/tokenizer.model", F_OK) == 0 ? "; tokenizer.model is not read" : ""))
        }
        self.tokenizer = tokenizer
        chatTemplate = try Self.chatTemplate(in: path, tokenizerConfig)
        license = Self.license(in: path)
        guard let weights = try SafetensorsModel(folder: path) else {
            let other = ["pytorch_model.bin", "pytorch_model.bin.index.json"]
                .contains { access("\(path)/\($0)", F_OK) == 0 }
            throw ConversionError(
                "\(path) has neither \(SafetensorsModel.fileName) nor \(SafetensorsModel.indexName)"
                    + (other ? "; weights in pytorch_model.bin are not read, save them as safetensors" : ""))
        }
        self.weights = weights
        fileNames = Self.names + weights.files.map(\.name)
    }

    /// The folder's own name, also if the path is `.` or ends in a slash.
    var name: String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        guard realpath(path, &buffer) != nil else { return path }
        let full = buffer.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return full.split(separator: "/").last.map(String.init) ?? path
    }

    /// The line `license:` in the metadata between dashes at the top of a model card.
    private static func license(in folder: String) -> String {
        // An unreadable card counts as empty; the model does not depend on it.
        guard let bytes = try? readFile(path: "\(folder)/README.md", limit: 4 << 20) else { return "" }
        let lines = String(decoding: bytes, as: UTF8.self).split(
            omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        guard lines.first == "---" else { return "" }
        let head = lines.dropFirst().prefix { $0 != "---" }
        let value = head.first { $0.hasPrefix("license:") }?.dropFirst(8).drop { $0 == " " }
        return value.map { String($0.prefix(64)) } ?? ""
    }

    /// A separate file takes precedence over the tokenizer's settings.
    private static func chatTemplate(in folder: String, _ tokenizerConfig: JSONSection?) throws -> String? {
        let path = "\(folder)/chat_template.jinja"
        if access(path, F_OK) == 0 {
            let bytes = try readFile(path: path, limit: 1 << 20)
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw ConversionError("chat_template.jinja is not UTF-8")
            }
            return text
        }
        let file = try JSONSection(folder: folder, file: "chat_template.json")
        guard let settings = file ?? tokenizerConfig, let value = settings["chat_template"] else {
            return nil
        }
        if let text = value.stringValue { return text }
        guard value.arrayValue != nil else {
            throw settings.refusal("chat_template", value.kindName, expected: "a string or an array")
        }
        // Several named templates.
        let templates = try settings.objects("chat_template")
        return try templates.first { try $0.string("name") == "default" }?.string("template")
    }
}
