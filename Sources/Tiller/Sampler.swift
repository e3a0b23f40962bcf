// SPDX-License-Identifier: Apache-2.0
// From logits to a token. The vocabulary is never sorted: one pass finds where candidates are that can still
// win, and only those are ordered.

import Glibc
import Kernels
import Platform

/// Draws tokens; two samplers with the same options and history draw the same.
package struct Sampler {
    let options: SamplingOptions
    private var random: SplitMix64
    /// (token, logit) of the tokens still in the running; kept between draws so that drawing allocates nothing.
    var candidates: [(token: Int32, logit: Float)] = []

    /// Where the logits of the current draw are large.
    var peaks = LogitPeaks()

    /// The distributions between two, where steering is capped; see Sampler+Cap.
    var mixture = Mixture()

    /// The seed in use, so that a run can be repeated.
    package let seed: UInt64

    package init(options: SamplingOptions) {
        self.options = options
        seed = options.seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        random = SplitMix64(seed: seed)
        candidates.reserveCapacity(1024)
    }

    /// Chooses the next token.
    ///
    /// - Parameters:
    ///   - logits: [vocabularySize]; penalties and biases are applied in place.
    ///   - history: all tokens so far; the penalties look at the last ones.
    package mutating func sample(
        _ logits: UnsafeMutableBufferPointer<Float>, history: [Int32], with compute: Compute
    ) -> Int32 {
        adjust(logits, history: history)
        return choose(from: UnsafeBufferPointer(logits), with: compute)
    }

    /// Applies penalties and biases in place.
    func adjust(_ logits: UnsafeMutableBufferPointer<Float>, history: [Int32]) {
        penalize(logits, history: history)
        for (token, bias) in options.logitBias where token >= 0 && Int(token) < logits.count {
            logits[Int(token)] += bias
        }
    }

    /// Draws by adjusted logits.
    mutating func choose(from logits: UnsafeBufferPointer<Float>, with compute: Compute) -> Int32 {
        peaks.find(logits, with: compute)
        if options.temperature == 0 { return Int32(peaks.indexOfMaximum(logits)) }
        collectCandidates(logits)
        return draw(outOf: weighCandidates())
    }

    private func penalize(_ logits: UnsafeMutableBufferPointer<Float>, history: [Int32]) {
        let isOff =
            options.repetitionPenalty == 1 && options.presencePenalty == 0 && options.frequencyPenalty == 0
        guard !isOff else { return }
        let recent = history.suffix(options.penaltyWindow)
        for index in recent.indices {
            let token = Int(history[index])
            guard token >= 0, token < logits.count else { continue }
            logits[token] -= options.frequencyPenalty
            // What depends on presence alone is paid at a token's last occurrence.
            guard !recent[(index + 1)...].contains(history[index]) else { continue }
            logits[token] -= options.presencePenalty
            let penalty = options.repetitionPenalty
            logits[token] = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty
        }
    }

    /// Keeps what top-k and min-p leave over, most likely first; `peaks` are those of the same logits.
    mutating func collectCandidates(_ logits: UnsafeBufferPointer<Float>) {
        // Below e^-30 of the best a token cannot be drawn in a lifetime; min-p usually cuts much earlier.
        let margin = options.minP > 0 ? min(30, -logf(options.minP)) : 30
        var threshold = peaks.maximum - margin * options.temperature
        candidates.removeAll(keepingCapacity: true)
        let limit = options.topK > 0 ? options.topK : Int.max
        peaks.forEachToken(logits, reaching: &threshold) { token, threshold in
            candidates.append((Int32(token), logits[token]))
            // Far more than k: keep the best k and raise the bar.
            if limit < Int.max / 4, candidates.count >= 4 * limit + 64 {
                keepBest(limit)
                threshold = max(threshold, candidates[candidates.count - 1].logit)
            }
        }
        // Damaged weights give logits that are no numbers.
        if candidates.isEmpty { candidates.append((0, 0)) }
        keepBest(limit)
    }

    private mutating func keepBest(_ limit: Int) {
        candidates.sort { $0.logit != $1.logit ? $0.logit > $1.logit : $0.token < $1.token }
        if candidates.count > limit { candidates.removeLast(candidates.count - limit) }
    }

    /// Turns the candidates' logits into weights, drops those behind top-p, and returns the sum of the others.
    mutating func weighCandidates() -> Float {
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

    /// Draws one of the candidates by their weights, whose sum is `total`.
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
