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
        forChannels(weights, width, channels, state, rows) { convolution in
            for row in rows {
                let b = input.baseAddress + row &* 3 &* channels, c = b + channels, x = c + channels
                for channel in convolution.channels { x[channel] *= b[channel] }
                let sum = output.values.baseAddress + row &* channels
                convolution.sum(
                    row, of: input.baseAddress + 2 &* channels, stride: 3 &* channels, into: sum)
                for channel in convolution.channels { sum[channel] *= c[channel] }
            }
            convolution.keepLast(of: input.baseAddress + 2 &* channels, stride: 3 &* channels)
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
        forChannels(weights, width, channels, state, rows) { convolution in
            for row in rows {
                let sum = output.baseAddress + row &* channels
                convolution.sum(row, of: input.baseAddress, stride: channels, into: sum)
                siluInPlace(sum + convolution.channels.lowerBound, convolution.channels.count)
            }
            convolution.keepLast(of: input.baseAddress, stride: channels)
        }
    }

    /// Divides the channels among the threads.
    private func forChannels(
        _ weights: [Float], _ width: Int, _ channels: Int, _ state: UnsafeMutableBufferPointer<Float>,
        _ rows: Range<Int>, _ body: (ChannelConvolution) -> Void
    ) {
        precondition(
            width > 1 && weights.count == width * channels && state.count == (width - 1) * channels,
            "convolve: \(weights.count) weights and a state of \(state.count) for \(channels) channels")
        guard let state = state.baseAddress else { return }
        weights.withUnsafeBufferPointer { weights in
            guard let weights = weights.baseAddress else { return }
            split(channels, elementCount: rows.count * channels * (width + 4), granularity: laneCount) {
                body(
                    ChannelConvolution(
                        weights: weights, width: width, state: state, rows: rows, channels: $0,
                        channelCount: channels))
            }
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

/// Some channels of a convolution over one sequence's tokens in a batch.
private struct ChannelConvolution {
    /// [width × channelCount]
    let weights: UnsafePointer<Float>
    let width: Int
    /// The width − 1 tokens before [(width − 1) × channelCount].
    let state: UnsafeMutablePointer<Float>
    let rows: Range<Int>
    let channels: Range<Int>
    let channelCount: Int

    /// The channels of the token `back` tokens before a row, in the batch or in the state.
    @inline(__always)
    private func token(
        _ row: Int, back: Int, of input: UnsafeMutablePointer<Float>, stride: Int
    ) -> UnsafeMutablePointer<Float> {
        let index = row &- rows.lowerBound &- back
        guard index < 0 else { return input + (row &- back) &* stride }
        return state + (width &- 1 &+ index) &* channelCount
    }

    /// output[c] = Σ_k weights[k, c] · input[row − width + 1 + k, c].
    ///
    /// - stride: elements from one token's channels to the next one's.
    func sum(
        _ row: Int, of input: UnsafeMutablePointer<Float>, stride: Int,
        into output: UnsafeMutablePointer<Float>
    ) {
        for channel in channels { output[channel] = 0 }
        for tap in 0..<width {
            let values = token(row, back: width &- 1 &- tap, of: input, stride: stride)
            let weights = weights + tap &* channelCount
            for channel in channels { output[channel] += weights[channel] * values[channel] }
        }
    }

    /// Makes the last width − 1 tokens the state. In ascending order, each one is read before its place is overwritten.
    func keepLast(of input: UnsafeMutablePointer<Float>, stride: Int) {
        for place in 0..<width &- 1 {
            let source = token(rows.upperBound, back: width &- 1 &- place, of: input, stride: stride)
            let target = state + place &* channelCount
            for channel in channels { target[channel] = source[channel] }
        }
    }
}
