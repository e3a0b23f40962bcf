// SPDX-License-Identifier: Apache-2.0
// Runs a model and its reference over the same text, alternating after a few positions: the logits of whole chunks would
// take hundreds of megabytes for a large vocabulary.

import Glibc
import Platform
import Steering
import Tiller

/// Compares two models over texts.
package struct DivergenceMeter {
    private let model, reference: Session
    /// The reference's logits at a few positions, [rowCount × vocabularySize].
    private let rows: AlignedBuffer<Float>
    private let rowCount: Int
    private let contextLength: Int

    /// Positions per step: a batch, unless its logits would exceed `largestByteCount`.
    private static let largestRowCount = 128
    private static let largestByteCount = 32 << 20

    /// - Parameters:
    ///   - steering: profiles for the model. The reference stays unsteered, so a model compared with itself shows the
    ///     effect of steering.
    ///   - contextLength: tokens of a chunk.
    /// - Throws: `TillerError.invalidOption` where the vocabularies differ, `.invalidProfile` where steering begins after
    ///   a chunk.
    package init(engine: Engine, reference: Engine, steering: [AppliedProfile] = [], contextLength: Int = 512)
        throws(TillerError)
    {
        try engine.requireSameVocabulary(as: reference)
        model = try engine.makeSession(contextLength: contextLength)
        let plan = try engine.scoringPlan(steering)
        try plan.requireAction(within: contextLength - 1)
        model.setPlan(plan)
        self.reference = try reference.makeSession(contextLength: contextLength)
        self.contextLength = contextLength
        let rowByteCount = engine.vocabularySize * MemoryLayout<Float>.stride
        rowCount = min(max(Self.largestByteCount / rowByteCount, 1), Self.largestRowCount)
        do { rows = try AlignedBuffer(count: rowCount * engine.vocabularySize) } catch {
            throw TillerError(error)
        }
    }

    /// Whether a gate of the steering has opened for any token; nil without gates.
    package var hasOpenedGate: Bool? { model.hasOpenedGate }

    /// Compares both models over a text.
    ///
    /// - Parameters:
    ///   - chunkLimit: chunks to score; nil scores all.
    ///   - onChunk: called after each chunk with (chunks done, total chunks).
    /// - Throws: `TillerError.invalidOption` where the text is shorter than one chunk or the models tokenize it differently.
    package func measure(
        _ text: String, chunkLimit: Int? = nil, onChunk: (Int, Int) -> Void = { _, _ in }
    ) throws(TillerError) -> Divergence {
        try model.engine.requireSameTokens(as: reference.engine, of: text)
        let chunks = try TextChunks(
            text, engine: model.engine, contextLength: contextLength, limit: chunkLimit)
        var positions: [PositionDivergence] = []
        for chunk in 0..<chunks.count {
            try compare(chunks[chunk], at: chunks.scored, into: &positions)
            onChunk(chunk + 1, chunks.count)
        }
        return Divergence(positions)
    }

    private func compare(
        _ tokens: [Int32], at scored: Range<Int>, into positions: inout [PositionDivergence]
    ) throws(TillerError) {
        let width = model.engine.vocabularySize
        for session in [reference, model] {
            session.rewind(to: 0)
            try session.evaluate(Array(tokens[..<scored.lowerBound]))
        }
        var first = scored.lowerBound
        while first < scored.upperBound {
            let part = tokens[first..<min(first + rowCount, scored.upperBound)]
            try reference.evaluate(part) { position, logits in
                guard let base = logits.baseAddress else { return }
                (rows.baseAddress + (position - first) * width).update(from: base, count: width)
            }
            try model.evaluate(part) { position, logits in
                let row = UnsafeBufferPointer(
                    start: rows.baseAddress + (position - first) * width, count: width)
                positions.append(
                    PositionDivergence(reference: row, model: logits, next: Int(tokens[position + 1])))
            }
            first += part.count
        }
    }
}

extension PositionDivergence {
    /// Compares the distributions of two rows of logits r and m of equal length.
    ///
    /// With Z = Σ eˣ over a row, KL = Σ eʳ (r − m) / Z(r) − ln Z(r) + ln Z(m). Sums are Double: for two nearly equal
    /// models the result is smaller than the rounding error of a Float logarithm.
    /// - Parameter next: the token that follows in the text.
    /// - Precondition: rows are not empty, and `next` is a valid index.
    package init(reference r: UnsafeBufferPointer<Float>, model m: UnsafeBufferPointer<Float>, next: Int) {
        precondition(r.count == m.count && r.indices.contains(next), "PositionDivergence: sizes differ")
        var (topR, topM) = (0, 0)
        for index in 0..<r.count {
            if r[index] > r[topR] { topR = index }
            if m[index] > m[topM] { topM = index }
        }
        let (largestR, largestM) = (r[topR], m[topM])
        var (sumR, sumM, difference) = (0.0, 0.0, 0.0)
        for index in 0..<r.count {
            let weight = expf(r[index] - largestR)
            sumR += Double(weight)
            sumM += Double(expf(m[index] - largestM))
            difference += Double(weight) * Double(r[index] - m[index])
        }
        let normalizerR = Double(largestR) + log(sumR), normalizerM = Double(largestM) + log(sumM)
        self.init(
            divergence: max(difference / sumR - normalizerR + normalizerM, 0), isSameTop: topR == topM,
            loss: normalizerM - Double(m[next]), referenceLoss: normalizerR - Double(r[next]))
    }
}
