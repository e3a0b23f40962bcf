// SPDX-License-Identifier: Apache-2.0
// The `decoder` of a tokenizer.json: how tokens become text. Without one, the library joins tokens with spaces, which no model
// intends.

import JSON
import Models
import Tokenization

struct HuggingFaceDecoder {
    private(set) var rules = DecoderRules()
    private var isFused = false

    /// - Throws: `ConversionError` that names the unsupported step.
    init(_ file: JSONSection, _ kind: TokenizerKind) throws {
        let steps = try HuggingFaceRules.steps(file, "decoder", list: "decoders")
        let expected =
            kind == .byteLevelBPE
            ? "ByteLevel" : "Metaspace, or a Sequence of Replace, ByteFallback, Fuse and Strip"
        guard !steps.isEmpty else { throw file.refusal("decoder", "missing", expected: expected) }
        guard kind == .characterBPE else {
            for step in steps where try !["ByteLevel", "Fuse"].contains(step.string("type")) {
                throw step.refusal("type", "'\(try step.string("type"))'", expected: expected)
            }
            return
        }
        rules.writesBytes = true
        for step in steps {
            guard try read(step) else {
                throw step.refusal("type", "'\(try step.string("type"))' in this place", expected: expected)
            }
        }
    }

    /// Reads a step; false if it is unknown, or not supported at its position.
    private mutating func read(_ step: JSONSection) throws -> Bool {
        switch try step.string("type") {
        case "Metaspace":
            guard !isFused, rules.mark == nil else { return false }
            rules.mark = try HuggingFaceRules.mark(step, "replacement")
            rules.dropsFirstMarks = try HuggingFaceRules.scheme(step) != .never
        case "Replace":
            guard rules.mark == nil else { return false }
            let content = try step.string("content")
            guard content == " " else { throw step.refusal("content", "'\(content)'", expected: "' '") }
            rules.mark = try HuggingFaceRules.mark(step.object("pattern"), "String")
        case "ByteFallback":
            guard !isFused else { return false }
            rules.writesBytes = false
        case "Fuse": isFused = true
        case "Strip":
            guard isFused, rules.strippedSpaceCount == 0 else { return false }
            let content = try step.string("content")
            guard content == " " else { throw step.refusal("content", "'\(content)'", expected: "' '") }
            guard try step.optionalInteger("stop") ?? 0 == 0 else {
                throw step.refusal("stop", "\(try step.integer("stop"))", expected: "0")
            }
            rules.strippedSpaceCount = try step.optionalInteger("start", in: 0...255) ?? 0
        default: return false
        }
        return true
    }
}
