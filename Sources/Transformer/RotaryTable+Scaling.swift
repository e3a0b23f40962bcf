// SPDX-License-Identifier: Apache-2.0
// The frequencies of rotary position embeddings (arXiv 2104.09864) under every scaling the families use.

import Formats
import Glibc
import Kernels

extension RotaryTable {
    /// Frequencies θ_i = ropeTheta^(−2i/headSize), i in 0..<headSize/2, scaled as the configuration says.
    ///
    /// - Parameter frequencyFactors: divisors [headSize / 2] that the model brings along (Llama 3 in GGUF).
    package init(configuration: ModelConfiguration, frequencyFactors: [Float]?) {
        var frequencies = Self.frequencies(theta: configuration.ropeTheta, headSize: configuration.headSize)
        var magnitude: Float = 1
        switch configuration.ropeScaling {
        case .none, .perFrequencyFactors:
            break
        case .linear(let factor):
            frequencies = frequencies.map { $0 / Double(factor) }
        case .llama3(let factor, let low, let high, let original):
            frequencies = frequencies.map {
                Self.llama3(
                    $0, factor: Double(factor), low: Double(low), high: Double(high),
                    original: Double(original))
            }
        case .yarn(let factor, let original, let betaFast, let betaSlow, let attentionFactor):
            let correction = YaRN(
                theta: Double(configuration.ropeTheta), headSize: configuration.headSize,
                factor: Double(factor),
                originalContextLength: Double(original), betaFast: Double(betaFast),
                betaSlow: Double(betaSlow))
            frequencies = frequencies.enumerated().map { correction.scaled($1, index: $0) }
            magnitude = attentionFactor ?? Float(0.1 * log(Double(factor)) + 1)
        }
        if let frequencyFactors {
            frequencies = zip(frequencies, frequencyFactors).map { $0 / Double($1) }
        }
        self.init(inverseFrequencies: frequencies.map { Float($0) }, magnitude: magnitude)
    }

    /// The table of layers that attend through a window and have a base of their own, unscaled.
    package init(localLayersOf configuration: ModelConfiguration) {
        let theta = configuration.localRopeTheta ?? configuration.ropeTheta
        let frequencies = Self.frequencies(theta: theta, headSize: configuration.headSize)
        self.init(inverseFrequencies: frequencies.map { Float($0) }, magnitude: 1)
    }

    private static func frequencies(theta: Float, headSize: Int) -> [Double] {
        (0..<headSize / 2).map { pow(Double(theta), -2 * Double($0) / Double(headSize)) }
    }

    /// Llama 3.1: long wavelengths are divided by `factor`, short ones kept, those between blended.
    private static func llama3(
        _ frequency: Double, factor: Double, low: Double, high: Double, original: Double
    ) -> Double {
        let wavelength = 2 * Double.pi / frequency
        if wavelength < original / high { return frequency }
        if wavelength > original / low { return frequency / factor }
        let smooth = (original / wavelength - low) / (high - low)
        return (1 - smooth) * frequency / factor + smooth * frequency
    }
}

/// YaRN (arXiv 2309.00071): dimensions that turn often keep their frequency, slow ones are interpolated.
private struct YaRN {
    private let factor, first, last: Double

    init(
        theta: Double, headSize: Int, factor: Double, originalContextLength: Double, betaFast: Double,
        betaSlow: Double
    ) {
        // The dimension that makes `turns` rotations over the original context.
        func dimension(turning turns: Double) -> Double {
            Double(headSize) * log(originalContextLength / (turns * 2 * Double.pi)) / (2 * log(theta))
        }
        self.factor = factor
        first = max(0, dimension(turning: betaFast).rounded(.down))
        last = min(Double(headSize) - 1, dimension(turning: betaSlow).rounded(.up))
    }

    func scaled(_ frequency: Double, index: Int) -> Double {
        let ramp = min(max((Double(index) - first) / max(0.001, last - first), 0), 1)
        return frequency / factor * ramp + frequency * (1 - ramp)
    }
}
