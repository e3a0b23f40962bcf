// SPDX-License-Identifier: Apache-2.0
// RoPE of families whose layers with a window have a base of their own (`rope_parameters` with one object for each layer type);
// `rope_scaling` changes only the layers with full attention.

import Formats

/// RoPE for each kind of layer.
package struct RotaryByLayerType {
    package let full, sliding: RotaryPlan

    /// - Parameters:
    ///   - defaults: integers that may be left out.
    ///   - theta, slidingTheta: the bases where no object for the layer type states one.
    package init(
        _ parameters: HuggingFaceParameters, defaults: [String: Int] = [:], theta: Float, slidingTheta: Float
    ) throws {
        let text = parameters.text
        let both = try text.optionalObject("rope_parameters")
        if let both, both["full_attention"] == nil, both["sliding_attention"] == nil, !both.object.isEmpty {
            throw text.refusal(
                "rope_parameters", "one for all layers",
                expected: "full_attention and sliding_attention, as this family has it")
        }
        var settings = try both?.optionalObject("full_attention")
        if let changes = try text.optionalObject("rope_scaling") {
            try parameters.refuseLayerTypes(of: changes)
            settings = changes.replacing(in: settings?.object ?? ["rope_type": "default"])
        }
        try parameters.refusePartialRotation(text)
        if let settings { try parameters.refusePartialRotation(settings) }
        let headSize = try parameters.headSize(defaults)
        full = RotaryPlan(
            theta: try settings?.optionalFloat("rope_theta") ?? theta,
            scaling: try settings.map {
                try parameters.scaling($0, contextLength: parameters.contextLength(defaults))
            } ?? .none,
            rotatedSize: headSize)
        let local = try both?.optionalObject("sliding_attention")
        sliding = RotaryPlan(
            theta: try local?.optionalFloat("rope_theta") ?? slidingTheta, rotatedSize: headSize)
        guard let local else { return }
        try parameters.refusePartialRotation(local)
        if let kind = try parameters.rotaryKind(local), kind != "default" {
            throw local.refusal("rope_type", "'\(kind)'", expected: "'default'")
        }
    }
}
