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

    /// How often each token occurs among the recent ones; all zero between draws, empty without penalties.
    private var occurrences: [Int32] = []

    /// Where the logits of the current draw are large.
    var peaks = BlockMaxima()

    /// The distributions between two, where steering is capped; see Sampler+Cap.
    var mixture = Mixture()

    /// The seed in use, so that a run can be repeated.
    package let seed: UInt64

    package init(options: SamplingOptions) {
        self.options = options
        seed = options.seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        random = SplitMix64(seed: seed)
        candidates.reserveCapacity(Self.usualCandidateCount)
    }

    /// Tokens in the running for which there is room from the start; few draws need more.
    private static let usualCandidateCount = 1024

    /// Bytes that drawing takes.
    static func byteCount(vocabularySize: Int) -> Int {
        usualCandidateCount * MemoryLayout<(token: Int32, logit: Float)>.stride
            + BlockMaxima.byteCount(vocabularySize: vocabularySize)
    }

    /// The same of what is allocated.
    package var allocatedByteCount: Int {
        candidates.capacity * MemoryLayout<(token: Int32, logit: Float)>.stride + peaks.allocatedByteCount
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

    /// Applies penalties, then biases, in place.
    mutating func adjust(_ logits: UnsafeMutableBufferPointer<Float>, history: [Int32]) {
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

    /// The repetition penalty scales the model's own logit, as its authors define it; what presence and frequency subtract
    /// comes after it. This is the order of llama.cpp and vLLM.
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
            // A token pays once, for all of its occurrences.
            let count = occurrences[token]
            guard count > 0 else { continue }
            occurrences[token] = 0
            let scaled = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty
            logits[token] = scaled - (Float(count) * options.frequencyPenalty + options.presencePenalty)
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

    /// Turns the candidates' logits into weights, drops those after top-p, and returns the sum of the others.
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
