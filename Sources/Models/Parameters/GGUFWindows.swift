// SPDX-License-Identifier: Apache-2.0
// Which layers of a GGUF have sliding-window attention (`attention.sliding_window`, `attention.sliding_window_pattern`).

import Formats

extension GGUFParameters {
    /// Gives some layers a window.
    ///
    /// - Parameters:
    ///   - usualStep: without a pattern, every n-th layer sees all tokens.
    ///   - usualSize: the window's size in tokens where the key is missing; 0 means none, there too.
    /// - Returns: whether there is a window.
    package func setWindows(
        in configuration: inout ModelConfiguration, usualStep: Int, usualSize: Int = 0
    ) throws -> Bool {
        let window = try optionalInteger("attention.sliding_window") ?? usualSize
        guard window > 0 else { return false }
        let isSliding = try slidingLayers(layerCount: configuration.layerCount, usualStep: usualStep)
        for layer in isSliding.indices where isSliding[layer] {
            configuration.layers[layer].attention?.window = window
        }
        return true
    }

    /// The pattern is a step n, for a window in all layers but every n-th, or a Boolean for each layer.
    private func slidingLayers(layerCount: Int, usualStep: Int) throws -> [Bool] {
        let key = "attention.sliding_window_pattern"
        if let flags = metadata["\(name).\(key)"]?.bools {
            guard flags.count == layerCount else {
                throw ConversionError(
                    "\(name).\(key) has \(flags.count) elements, expected one for each of \(layerCount) layers"
                )
            }
            return flags
        }
        let step = try optionalInteger(key, in: 2...1024) ?? usualStep
        return (1...layerCount).map { $0 % step != 0 }
    }
}
