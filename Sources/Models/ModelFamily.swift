// SPDX-License-Identifier: Apache-2.0
// A model family is one file: its names, how its sources describe its layers, and which of their tensors has which role. No other
// code knows a family by name: its properties are in the configuration.

import CPlatform
import Formats

/// The kind of a source, as far as names and layouts depend on it.
package enum SourceFormat: Sendable {
    /// As written by llama.cpp's `convert_hf_to_gguf.py`.
    case gguf
    /// As saved by transformers.
    case folder
}

/// A family of models.
package protocol ModelFamily: Sendable {
    /// The name in the manifest.
    static var name: String { get }
    /// Values of a GGUF's `general.architecture`.
    static var architectures: [String] { get }
    /// Values of `model_type` in `config.json`.
    static var modelTypes: [String] { get }

    /// - Throws: `ConversionError` for parameters that are missing, have the wrong type, or are unknown to this family.
    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration
    /// - Throws: as for GGUF.
    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration

    /// Where a tensor is stored.
    static func place(
        of role: TensorRole, in format: SourceFormat, _ configuration: ModelConfiguration
    ) -> TensorPlace
    /// Where the rows of a tensor are stored, in their order.
    static func places(
        of role: TensorRole, layer: Int?, in format: SourceFormat, _ configuration: ModelConfiguration
    ) -> [TensorPlace]
    /// Where the matrices of all experts are stored, one below the other.
    ///
    /// - Parameter role: gate, up or down.
    static func expertPlaces(
        of role: TensorRole, in format: SourceFormat, _ experts: LayerPlan.FeedForward.Experts
    ) -> [TensorPlace]
    /// Whether GGUF interleaves RoPE's pairs of query and key rows, as llama.cpp permutes them for some families.
    static var interleavesHeadsInGGUF: Bool { get }
    /// Whether folders do: most have both halves of a head one after the other.
    static var interleavesHeadsInFolder: Bool { get }
    /// Added to norm gains that come from a folder.
    static var normOffsetInFolder: Float { get }
    /// Tokens that a tokenizer may have beyond the embedding's rows, because no text encodes to them.
    static var tokensWithoutRow: Set<String> { get }
}

extension ModelFamily {
    package static func place(
        of role: TensorRole, in format: SourceFormat, _ configuration: ModelConfiguration
    ) -> TensorPlace { usualPlace(of: role, in: format, configuration) }
    package static func expertPlaces(
        of role: TensorRole, in format: SourceFormat, _ experts: LayerPlan.FeedForward.Experts
    ) -> [TensorPlace] { usualExpertPlaces(of: role, in: format, expertCount: experts.count) }
    package static var interleavesHeadsInGGUF: Bool { false }
    package static var interleavesHeadsInFolder: Bool { false }
    package static var normOffsetInFolder: Float { 0 }
    package static var tokensWithoutRow: Set<String> { [] }

    /// The size of the heads whose rows are interleaved; nil where RoPE's pairs are in the two halves of a head.
    package static func interleavedHeadSize(
        of role: TensorRole, in format: SourceFormat, _ configuration: ModelConfiguration
    ) -> Int? {
        let isInterleaved = format == .gguf ? interleavesHeadsInGGUF : interleavesHeadsInFolder
        let isRotated = [.query, .key, .queryBias, .keyBias].contains(role)
        return isInterleaved && isRotated ? configuration.headSize : nil
    }
}

/// All families in this program.
package enum ModelFamilies {
    /// The entry of a family's file in the section `tiller_families`, so that no list elsewhere has to name the family.
    typealias Entry = @convention(c) (UnsafeMutableRawPointer?) -> Void

    package static let all: [any ModelFamily.Type] = {
        var families: [any ModelFamily.Type] = []
        guard var entry = platform_first_family(), let end = platform_families_end() else { return [] }
        withUnsafeMutablePointer(to: &families) { families in
            while entry < end {
                entry.pointee?(families)
                entry += 1
            }
        }
        // The linker orders entries by file.
        return families.sorted { $0.name < $1.name }
    }()

    /// Called by an entry.
    static func add(_ family: any ModelFamily.Type, to families: UnsafeMutableRawPointer?) {
        families?.assumingMemoryBound(to: [any ModelFamily.Type].self).pointee.append(family)
    }

    /// - Throws: `ConversionError` where no family has the name.
    package static func reading(architecture: String) throws -> any ModelFamily.Type {
        if let family = all.first(where: { $0.architectures.contains(architecture) }) { return family }
        let names = all.flatMap { $0.architectures }.sorted().joined(separator: ", ")
        throw ConversionError("architecture '\(architecture)' is not supported; supported are \(names)")
    }

    /// - Throws: `ConversionError` where `config.json` names none.
    package static func reading(_ text: JSONSection) throws -> any ModelFamily.Type {
        let name = try text.string("model_type")
        if let family = all.first(where: { $0.modelTypes.contains(name) }) { return family }
        let names = all.flatMap { $0.modelTypes }.sorted().joined(separator: ", ")
        throw text.refusal("model_type", "'\(name)'", expected: "one of \(names)")
    }
}
