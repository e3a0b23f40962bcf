// SPDX-License-Identifier: Apache-2.0
// How the next token is chosen from the logits.

/// Sampling parameters; the defaults suit small chat models.
///
/// They act in this order: the repetition penalty on the model's logits, then frequency and presence penalties, biases,
/// temperature; then top-k and min-p, and last top-p on the tokens that remain.
public struct SamplingOptions: Sendable, Equatable {
    /// Divides the logits; 0 takes the most likely token.
    public var temperature: Float = 0.7
    /// Keeps the k most likely tokens; 0 keeps all.
    public var topK: Int = 40
    /// Keeps the smallest set of most likely tokens with this share of the mass that remains after top-k and min-p; 1 keeps all.
    public var topP: Float = 0.95
    /// Keeps tokens at least this likely relative to the most likely one, before top-p; 0 keeps all.
    public var minP: Float = 0.05
    /// Divides positive logits (multiplies negative ones) of recent tokens; 1 is off (arXiv 1909.05858).
    public var repetitionPenalty: Float = 1
    /// Subtracted once from the logits of recent tokens, after the repetition penalty.
    public var presencePenalty: Float = 0
    /// Subtracted from the logit of a recent token for each of its occurrences, after the repetition penalty.
    public var frequencyPenalty: Float = 0
    /// Number of recent tokens that the penalties consider.
    public var penaltyWindow: Int = 64
    /// Added to the logits of individual tokens, after the penalties.
    public var logitBias: [Int32: Float] = [:]
    /// Seeds the random numbers; nil draws a new seed.
    public var seed: UInt64?

    public init() {}

    /// In tokens; no model has a longer context.
    static let largestWindow = 1 << 20

    /// Always the most likely token.
    public static var greedy: SamplingOptions {
        var options = SamplingOptions()
        options.temperature = 0
        return options
    }

    /// Checks every parameter's range.
    ///
    /// - Throws: `TillerError.invalidOption` that names the parameter, its value and its range.
    public func validate() throws(TillerError) {
        func require(_ condition: Bool, _ name: String, _ value: String, _ range: String) throws(TillerError)
        {
            guard condition else { throw .invalidOption("\(name) is \(value), expected \(range)") }
        }
        try require(temperature >= 0 && temperature <= 100, "temperature", "\(temperature)", "0...100")
        try require(topK >= 0, "top-k", "\(topK)", "0 or more")
        try require(topP > 0 && topP <= 1, "top-p", "\(topP)", "above 0, at most 1")
        try require(minP >= 0 && minP < 1, "min-p", "\(minP)", "0 or more, below 1")
        try require(
            repetitionPenalty > 0 && repetitionPenalty <= 10, "repetition penalty", "\(repetitionPenalty)",
            "above 0, at most 10")
        try require(abs(presencePenalty) <= 10, "presence penalty", "\(presencePenalty)", "-10...10")
        try require(abs(frequencyPenalty) <= 10, "frequency penalty", "\(frequencyPenalty)", "-10...10")
        try require(
            (0...Self.largestWindow).contains(penaltyWindow), "penalty window", "\(penaltyWindow)",
            "0...\(Self.largestWindow)")
        try require(logitBias.values.allSatisfy { !$0.isNaN }, "logit bias", "NaN", "a number")
    }
}
