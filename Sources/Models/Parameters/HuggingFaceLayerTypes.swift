// SPDX-License-Identifier: Apache-2.0
// Which layers of a model folder have sliding-window attention (`layer_types`, `sliding_window`).

import Formats
import JSON

extension HuggingFaceParameters {
    /// Whether each layer has a window, according to `layer_types`; nil if that is missing.
    package func slidingLayers(layerCount: Int) throws -> [Bool]? {
        try layers(of: "sliding_attention", layerCount: layerCount)
    }

    /// Whether each layer is of a kind, and not of full attention, according to `layer_types`; nil if that is missing.
    package func layers(of kind: String, layerCount: Int) throws -> [Bool]? {
        guard text["layer_types"] != nil else { return nil }
        let names = try text.array("layer_types").map { $0.stringValue ?? $0.kindName }
        let other = names.first { $0 != "full_attention" && $0 != kind }
        guard names.count == layerCount, other == nil else {
            throw text.refusal(
                "layer_types", "\(names.count) of \(Set(names).sorted())",
                expected: "full_attention or \(kind) for each of \(layerCount) layers")
        }
        return names.map { $0 == kind }
    }

    /// Refuses a window of null where some layers have one.
    package func refuseNullWindow(_ isSliding: [Bool]) throws {
        guard text.holds("sliding_window"), text["sliding_window"] == nil, isSliding.contains(true) else {
            return
        }
        throw text.refusal("sliding_window", "null", expected: "an integer: some layers have a window")
    }

    /// Refuses a layer of another kind than the other settings imply for all layers.
    package func requireLayerTypes(_ expected: String) throws {
        let names = try text.optionalArray("layer_types") ?? []
        if let other = names.first(where: { $0.stringValue != expected }) {
            throw text.refusal(
                "layer_types", other.stringValue.map { "'\($0)'" } ?? other.kindName,
                expected: "'\(expected)' in every layer, as the other settings say")
        }
    }

    /// Gives some layers a window.
    package func setWindows(_ isSliding: [Bool], in configuration: inout ModelConfiguration) throws {
        guard isSliding.contains(true) else { return }
        let size = try text.optionalInteger("sliding_window") ?? 4096
        for layer in isSliding.indices where isSliding[layer] {
            configuration.layers[layer].attention?.window = size
        }
    }

    /// The windows of a family whose folders enable them with `use_sliding_window`: in layers from `max_window_layers` on, unless
    /// `layer_types` selects them.
    package func setSwitchedWindows(in configuration: inout ModelConfiguration) throws {
        guard try text.optionalBool("use_sliding_window") == true,
            text["sliding_window"] != nil || !text.holds("sliding_window")
        else { return try requireLayerTypes("full_attention") }
        let layerCount = configuration.layerCount
        let first = try text.optionalInteger("max_window_layers") ?? 28
        let isSliding = try slidingLayers(layerCount: layerCount) ?? (0..<layerCount).map { $0 >= first }
        try setWindows(isSliding, in: &configuration)
    }
}
