// SPDX-License-Identifier: Apache-2.0
// A tap on the residual stream, for the training of steering profiles.

import Glibc
import Kernels
import Platform

/// Sums the residual stream after each block over a range of positions.
///
/// The same sums serve every position rule: the mean of a text, its last token, the tokens after a prompt.
package final class ResidualRecorder {
    package let layerCount, hiddenSize: Int
    /// Positions that count; others are ignored.
    package var positions: Range<Int>
    /// Σ h over the recorded positions, [layerCount × hiddenSize].
    private var sums: [Double]
    /// Σ RMS(h) over the recorded positions, per layer.
    private var rmsSums: [Double]
    private var counts: [Int]

    package init(layerCount: Int, hiddenSize: Int, positions: Range<Int>) {
        self.layerCount = layerCount
        self.hiddenSize = hiddenSize
        self.positions = positions
        sums = Array(repeating: 0, count: layerCount * hiddenSize)
        rmsSums = Array(repeating: 0, count: layerCount)
        counts = Array(repeating: 0, count: layerCount)
    }

    /// Number of positions recorded at a layer.
    package func count(layer: Int) -> Int { counts[layer] }

    /// The mean state of a layer [hiddenSize]; zeros where nothing was recorded.
    package func mean(layer: Int) -> [Float] {
        let scale = 1 / Double(max(counts[layer], 1))
        return sums[layer * hiddenSize..<(layer + 1) * hiddenSize].map { Float($0 * scale) }
    }

    /// The mean over positions of the states' root mean square.
    package func rms(layer: Int) -> Float { Float(rmsSums[layer] / Double(max(counts[layer], 1))) }

    /// Adds rows [tokenCount × hiddenSize] at consecutive positions.
    ///
    /// - Parameter factors: [hiddenSize], multiplied into the rows; nil for 1.
    func record(
        layer: Int, hidden: AlignedBuffer<Float>, scaledBy factors: [Float]? = nil, tokenCount: Int,
        firstPosition: Int
    ) {
        for token in 0..<tokenCount where positions.contains(firstPosition + token) {
            let row = hidden.baseAddress + token * hiddenSize
            var squares = 0.0
            for index in 0..<hiddenSize {
                let value = Double(row[index]) * Double(factors?[index] ?? 1)
                sums[layer * hiddenSize + index] += value
                squares += value * value
            }
            rmsSums[layer] += (squares / Double(hiddenSize)).squareRoot()
            counts[layer] += 1
        }
    }
}
