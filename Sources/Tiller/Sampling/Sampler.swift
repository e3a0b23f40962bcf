// SPDX-License-Identifier: Apache-2.0
// From logits to a token. The vocabulary is never sorted: one pass finds the blocks that contain possible candidates, and only
// the candidates are ordered.

import Glibc
import Kernels
import Platform

/// Samples tokens; two samplers with the same options and history draw the same tokens.
package struct Sampler {
    let options: SamplingOptions
    private var random: SplitMix64
    /// (token, logit) of the remaining candidates; kept between draws to avoid allocation.
    var candidates: [(token: Int32, logit: Float)] = []

    /// How often each token occurs among the recent ones; all zero between draws, empty without penalties.
    private var occurrences: [Int32] = []

    /// The block maxima of the current logits.
    var peaks = BlockMaxima()

    /// The mixture of two distributions, if the divergence of steering is bounded; see Sampler+Cap.
    var mixture = Mixture()

    /// The seed in use, so that a run can be repeated.
    package let seed: UInt64

    package init(options: SamplingOptions) {
        self.options = options
        seed = options.seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        random = SplitMix64(seed: seed)
        candidates.reserveCapacity(Self.usualCandidateCount)
    }

    /// Initial capacity for candidates; few draws need more.
    private static let usualCandidateCount = 1024

    /// Bytes that a sampler uses.
    static func byteCount(vocabularySize: Int) -> Int {
        usualCandidateCount * MemoryLayout<(token: Int32, logit: Float)>.stride
            + BlockMaxima.byteCount(vocabularySize: vocabularySize)
    }

    /// The same for the allocated arrays.
    package var allocatedByteCount: Int {
        candidates.capacity * MemoryLayout<(token: Int32, logit: Float)>.stride + peaks.allocatedByteCount
    }

    /// Chooses the next token.
    ///
    /// - Parameters:
    ///   - logits: [vocabularySize]; penalties and biases are applied in place.
    ///   - history: all tokens so far; the penalties use the most recent ones.
    package mutating func sample(
        _ logits: UnsafeMutableBufferPointer<Float>, history: [Int32], with compute: Compute
    ) -> Int32 {
        adjust(logits, history: history)
        return choose(from: UnsafeBufferPointer(logits), with: compute)
    }

    /// Applies penalties, then biases, in place.
    mutating func adjust(_ logits: UnsafeMutableBufferPointer<Float>, history: [Int32]) {
        penalize(logits, history: history)
        for (token, bias) in options.logitBias where token >= 0 && Int(token) < logits.count {
            logits[Int(token)] += bias
        }
    }

    /// Samples from adjusted logits.
    mutating func choose(from logits: UnsafeBufferPointer<Float>, with compute: Compute) -> Int32 {
        peaks.find(logits, with: compute)
        if options.temperature == 0 { return Int32(peaks.indexOfMaximum(logits)) }
        collectCandidates(logits)
        return draw(outOf: exponentiateCandidates())
    }

    /// The repetition penalty scales the model's own logit, as its authors define it; the presence and frequency penalties are
    /// subtracted afterwards. llama.cpp and vLLM use the same order.
    private mutating func penalize(_ logits: UnsafeMutableBufferPointer<Float>, history: [Int32]) {
        let isOff =
            options.repetitionPenalty == 1 && options.presencePenalty == 0 && options.frequencyPenalty == 0
        guard !isOff else { return }
        if occurrences.count < logits.count {
            occurrences = [Int32](repeating: 0, count: logits.count)
        }
        let recent = history.suffix(options.penaltyWindow)
        for token in recent where logits.indices.contains(Int(token)) { occurrences[Int(token)] += 1 }
        let penalty = options.repetitionPenalty
        for token in recent.lazy.map({ Int($0) }) where logits.indices.contains(token) {
            // Each token is penalized once, for all of its occurrences.
            let count = occurrences[token]
            guard count > 0 else { continue }
            occurrences[token] = 0
            let scaled = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty
            logits[token] = scaled - (Float(count) * options.frequencyPenalty + options.presencePenalty)
        }
    }

    /// Keeps the tokens that pass top-k and min-p, most likely first; `peaks` must be those of the same logits.
    mutating func collectCandidates(_ logits: UnsafeBufferPointer<Float>) {
        // A token below e^-30 of the best is never drawn in practice; min-p usually cuts much earlier.
        let margin = options.minP > 0 ? min(30, -logf(options.minP)) : 30
        var threshold = peaks.maximum - margin * options.temperature
        candidates.removeAll(keepingCapacity: true)
        let limit = options.topK > 0 ? options.topK : Int.max
        peaks.forEachToken(logits, reaching: &threshold) { token, threshold in
            candidates.append((Int32(token), logits[token]))
            // Far more than k: keeps the best k and raises the threshold.
            if limit < Int.max / 4, candidates.count >= 4 * limit + 64 {
                keepBest(limit)
                threshold = max(threshold, candidates[candidates.count - 1].logit)
            }
        }
        // Corrupt weights give logits that are not numbers.
        if candidates.isEmpty { candidates.append((0, 0)) }
        keepBest(limit)
    }

    private mutating func keepBest(_ limit: Int) {
        candidates.sort { $0.logit != $1.logit ? $0.logit > $1.logit : $0.token < $1.token }
        if candidates.count > limit { candidates.removeLast(candidates.count - limit) }
    }

    /// Turns the candidates' logits into weights, drops those beyond top-p, and returns the sum of the rest.
    mutating func exponentiateCandidates() -> Float {
        let maximum = candidates[0].logit
        var total: Float = 0
        for index in candidates.indices {
            candidates[index].logit = expf((candidates[index].logit - maximum) / options.temperature)
            total += candidates[index].logit
        }
        var kept: Float = 0
        var count = 0
        while count < candidates.count, count == 0 || kept < options.topP * total {
            kept += candidates[count].logit
            count += 1
        }
        candidates.removeLast(candidates.count - count)
        return kept
    }

    /// Samples one candidate in proportion to the weights, whose sum is `total`.
    mutating func draw(outOf total: Float) -> Int32 {
        var rest = random.nextUnit() * total
        for candidate in candidates {
            rest -= candidate.logit
            if rest < 0 { return candidate.token }
        }
        return candidates[candidates.count - 1].token
    }
}

extension SplitMix64 {
    /// A number in 0..<1 with 24 random bits.
    mutating func nextUnit() -> Float { Float(next() >> 40) * 0x1p-24 }
}
