// SPDX-License-Identifier: Apache-2.0
// Short convolutions: few operations beside the matrices around them, so one plain form serves every instruction set.

import KernelCore
import Platform

extension Compute {
    /// output[t, c] = C[t, c] · Σ_k weights[k, c] · (B ⊙ x)[t − width + 1 + k, c], each channel c by itself.
    ///
    /// - Parameters:
    ///   - input: B, C and x of each token side by side [tokens × 3 · channels]; x is overwritten by B ⊙ x.
    ///   - weights: [width × channels].
    ///   - state: B ⊙ x of the width − 1 tokens before [(width − 1) × channels], the oldest first; then of the last ones.
    ///   - rows: the tokens of one sequence in the batch.
    ///   - output: its `values` are written.
    package func convolve(
        _ input: AlignedBuffer<Float>, weights: [Float], width: Int,
        state: UnsafeMutableBufferPointer<Float>, rows: Range<Int>, into output: Activations
    ) {
        let channels = output.columns
        check(input, holds: rows.upperBound, by: 3 * channels, "convolve")
        check(output.values, holds: rows.upperBound, by: channels, "convolve")
        precondition(
            width > 1 && weights.count == width * channels && state.count == (width - 1) * channels,
            "convolve: \(weights.count) weights and a state of \(state.count) for \(channels) channels")
        guard let state = state.baseAddress else { return }
        weights.withUnsafeBufferPointer { weights in
            guard let weights = weights.baseAddress else { return }
            split(channels, elementCount: rows.count * channels * (width + 2), granularity: laneCount) {
                convolve(
                    input.baseAddress, weights, width, state, rows, channels: $0, of: channels,
                    into: output.values.baseAddress)
            }
        }
    }

    private func convolve(
        _ input: UnsafeMutablePointer<Float>, _ weights: UnsafePointer<Float>, _ width: Int,
        _ state: UnsafeMutablePointer<Float>, _ rows: Range<Int>, channels part: Range<Int>,
        of channels: Int, into output: UnsafeMutablePointer<Float>
    ) {
        let stride = 3 &* channels
        /// B ⊙ x of the token `back` tokens before the row.
        func gated(_ row: Int, back: Int) -> UnsafeMutablePointer<Float> {
            let index = row &- rows.lowerBound &- back
            guard index < 0 else { return input + ((row &- back) &* stride &+ 2 &* channels) }
            return state + (width &- 1 &+ index) &* channels
        }
        for row in rows {
            let b = input + row &* stride, c = b + channels, x = c + channels
            let sum = output + row &* channels
            for channel in part {
                x[channel] *= b[channel]
                sum[channel] = 0
            }
            for tap in 0..<width {
                let (values, weights) = (gated(row, back: width &- 1 &- tap), weights + tap &* channels)
                for channel in part { sum[channel] += weights[channel] * values[channel] }
            }
            for channel in part { sum[channel] *= c[channel] }
        }
        // In ascending order: each place receives what lies behind it.
        for place in 0..<width &- 1 {
            let source = gated(rows.upperBound, back: width &- 1 &- place), target = state + place &* channels
            for channel in part { target[channel] = source[channel] }
        }
    }

    /// output[t, c] = silu(Σ_k weights[k, c] · input[t − width + 1 + k, c]), each channel c by itself.
    ///
    /// - Parameters:
    ///   - input: [tokens × channels].
    ///   - weights: [width × channels].
    ///   - state: the width − 1 tokens before [(width − 1) × channels], the oldest first; then the last ones.
    ///   - rows: the tokens of one sequence in the batch.
    package func convolveSilu(
        _ input: AlignedBuffer<Float>, weights: [Float], width: Int,
        state: UnsafeMutableBufferPointer<Float>, rows: Range<Int>, into output: AlignedBuffer<Float>
    ) {
        let channels = weights.count / width
        check(input, holds: rows.upperBound, by: channels, "convolveSilu")
        check(output, holds: rows.upperBound, by: channels, "convolveSilu")
        precondition(
            width > 1 && weights.count == width * channels && state.count == (width - 1) * channels,
            "convolveSilu: \(weights.count) weights and a state of \(state.count) for width \(width)")
        guard let state = state.baseAddress else { return }
        weights.withUnsafeBufferPointer { weights in
            guard let weights = weights.baseAddress else { return }
            split(channels, elementCount: rows.count * channels * (width + 8), granularity: laneCount) {
                convolveSilu(
                    input.baseAddress, weights, width, state, rows, channels: $0, of: channels,
                    into: output.baseAddress)
            }
        }
    }

    private func convolveSilu(
        _ input: UnsafeMutablePointer<Float>, _ weights: UnsafePointer<Float>, _ width: Int,
        _ state: UnsafeMutablePointer<Float>, _ rows: Range<Int>, channels part: Range<Int>,
        of channels: Int, into output: UnsafeMutablePointer<Float>
    ) {
        func values(_ row: Int, back: Int) -> UnsafeMutablePointer<Float> {
            let index = row &- rows.lowerBound &- back
            guard index < 0 else { return input + (row &- back) &* channels }
            return state + (width &- 1 &+ index) &* channels
        }
        for row in rows {
            let sum = output + row &* channels
            for channel in part { sum[channel] = 0 }
            for tap in 0..<width {
                let (values, weights) = (values(row, back: width &- 1 &- tap), weights + tap &* channels)
                for channel in part { sum[channel] += weights[channel] * values[channel] }
            }
            siluInPlace(sum + part.lowerBound, part.count)
        }
        // In ascending order: each place receives what lies behind it.
        for place in 0..<width &- 1 {
            let source = values(rows.upperBound, back: width &- 1 &- place)
            let target = state + place &* channels
            for channel in part { target[channel] = source[channel] }
        }
    }

    private func siluInPlace(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
        let block = 256
        withUnsafeTemporaryAllocation(of: Float.self, capacity: block) { ones in
            ones.initialize(repeating: 1)
            guard let ones = ones.baseAddress else { return }
            for start in stride(from: 0, to: count, by: block) {
                table.gateSilu(x + start, ones, x + start, min(block, count - start))
            }
        }
    }
}
