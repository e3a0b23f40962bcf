// SPDX-License-Identifier: Apache-2.0
// The frequencies of rotary position embeddings (arXiv 2104.09864) under every scaling the families use.

import Formats
import Glibc
import Kernels

/// Rotary position embedding (RoPE, also partial rotary) of the queries and keys of some layers.
struct Rotary: Sendable {
    private let table: RotaryTable
    /// LongRoPE's table for contexts of more than `contextLength` tokens.
    private let long: (table: RotaryTable, contextLength: Int)?

    /// - factors: divisors of the frequencies [rotatedSize / 2] that the model provides (Llama 3 in GGUF, LongRoPE).
    init(_ plan: RotaryPlan, factors: [Float]? = nil, longFactors: [Float]? = nil) {
        table = RotaryTable(plan, factors: factors)
        long =
            if case .longRoPE(let contextLength, _) = plan.scaling {
                (RotaryTable(plan, factors: longFactors), contextLength)
            } else { nil }
    }

    /// The table for a context: the same for all its positions, because cached keys are never rotated again.
    func table(contextLength: Int) -> RotaryTable {
        if let long, contextLength > long.contextLength { return long.table }
        return table
    }

    /// The table of every context; nil if it depends on the context.
    var onlyTable: RotaryTable? { long == nil ? table : nil }
}

extension RotaryTable {
    /// Frequencies θ_i = theta^(−2i/rotatedSize), i in 0..<rotatedSize/2, scaled as the plan says.
    fileprivate init(_ plan: RotaryPlan, factors: [Float]?) {
        var frequencies = (0..<plan.rotatedSize / 2).map {
            pow(Double(plan.theta), -2 * Double($0) / Double(plan.rotatedSize))
        }
        var magnitude: Float = 1
        switch plan.scaling {
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
                theta: Double(plan.theta), rotatedSize: plan.rotatedSize, factor: Double(factor),
                originalContextLength: Double(original), betaFast: Double(betaFast),
                betaSlow: Double(betaSlow))
            frequencies = frequencies.enumerated().map { correction.scaled($1, index: $0) }
            magnitude = attentionFactor ?? Float(0.1 * log(Double(factor)) + 1)
        case .longRoPE(_, let attentionFactor):
            magnitude = attentionFactor
        }
        if let factors {
            frequencies = zip(frequencies, factors).map { $0 / Double($1) }
        }
        self.init(inverseFrequencies: frequencies.map { Float($0) }, magnitude: magnitude)
    }

    /// Llama 3.1: divides long wavelengths by `factor`, keeps short ones and blends those between.
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

/// YaRN (arXiv 2309.00071): dimensions that rotate often keep their frequency, slow ones are interpolated.
private struct YaRN {
    private let factor, first, last: Double

    init(
        theta: Double, rotatedSize: Int, factor: Double, originalContextLength: Double, betaFast: Double,
        betaSlow: Double
    ) {
        // The dimension that makes `turns` rotations over the original context.
        func dimension(turning turns: Double) -> Double {
            Double(rotatedSize) * log(originalContextLength / (turns * 2 * Double.pi)) / (2 * log(theta))
        }
        self.factor = factor
        first = max(0, dimension(turning: betaFast).rounded(.down))
        last = min(Double(rotatedSize) - 1, dimension(turning: betaSlow).rounded(.up))
    }

    func scaled(_ frequency: Double, index: Int) -> Double {
        let ramp = min(max((Double(index) - first) / max(0.001, last - first), 0), 1)
        return frequency / factor * ramp + frequency * (1 - ramp)
    }
}
