// SPDX-License-Identifier: Apache-2.0
// A tap on the input of every matrix: the column statistics (imatrix) that tell a quantizer which columns matter.

import Formats
import Glibc
import Kernels
import Platform

/// Sums the squares of each matrix's input per column (the diagonal of the Hessian of GPTQ, an imatrix).
///
/// Models park attention on one or two tokens (attention sinks), above all the first. The states of these tokens are hundreds of
/// times larger than all others and depend on a few columns. They must count: if their columns are quantized badly, every later
/// token suffers. But their share is limited; otherwise one token in a thousand would outweigh the rest.
package final class InputRecorder {
    /// Limit on a token's weight, in multiples of the typical token's energy.
    private static let largestEnergy = 16.0

    private struct Sums {
        /// Σ x² per column.
        var squares: [Float]
        /// Σ ln Σ x² over the tokens: its mean is the log energy of the typical token.
        var logEnergies = 0.0
        var tokenCount = 0
    }

    /// One entry per input of each layer, and one for the head's.
    private var sums: [MatrixInput: Sums] = [:]
    /// Tokens seen.
    package private(set) var tokenCount = 0
    /// Also receives each row and the share with which it counts.
    package var onRow: ((_ input: MatrixInput, _ row: UnsafePointer<Float>, _ share: Float) -> Void)?
    /// A row of codes as floats.
    private var row: [Float] = []

    package init(configuration: ModelConfiguration) {
        for input in MatrixInput.all(of: configuration) {
            sums[input] = Sums(squares: Array(repeating: 0, count: input.columns(in: configuration)))
        }
    }

    /// The mean squares so far.
    package func statistics() -> CalibrationStatistics {
        let scale = 1 / Float(max(tokenCount, 1))
        return CalibrationStatistics(
            tokenCount: tokenCount, meanSquares: sums.mapValues { $0.squares.map { $0 * scale } })
    }

    /// Adds the rows of a batch.
    ///
    /// - Parameter form: the form in which the rows exist.
    func record(
        _ input: MatrixInput, _ x: Activations, form: ActivationForm, tokenCount: Int
    ) {
        guard var sum = sums.removeValue(forKey: input) else { return }
        let columns = sum.squares.count
        precondition(columns == x.columns, "InputRecorder: \(x.columns) columns, expected \(columns)")
        if input == .head { self.tokenCount += tokenCount }
        for token in 0..<tokenCount {
            withRow(token, of: x, form: form) { row in
                var energy: Float = 0
                for column in 0..<columns { energy += row[column] * row[column] }
                guard energy > 0, energy.isFinite else { return }
                sum.logEnergies += log(Double(energy))
                sum.tokenCount += 1
                let typical = exp(sum.logEnergies / Double(sum.tokenCount))
                let share = Float(min(1, Self.largestEnergy * typical / Double(energy)))
                onRow?(input, row, share)
                sum.squares.withUnsafeMutableBufferPointer { squares in
                    for column in 0..<columns { squares[column] += share * row[column] * row[column] }
                }
            }
        }
        sums[input] = sum
    }

    private func withRow(
        _ token: Int, of x: Activations, form: ActivationForm, _ body: (UnsafePointer<Float>) -> Void
    ) {
        switch form {
        case .values: body(x.values.baseAddress + token * x.columns)
        case .codes:
            row.removeAll(keepingCapacity: true)
            for column in 0..<x.columns {
                let (code, scale, _) = x.quantized(token: token, column: column)
                row.append(Float(Int32(code)) * scale)
            }
            row.withUnsafeBufferPointer { row in
                if let base = row.baseAddress { body(base) }
            }
        }
    }
}
