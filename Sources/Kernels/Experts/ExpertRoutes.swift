// SPDX-License-Identifier: Apache-2.0
// Which experts of a mixture compute which tokens of a batch. Rows are sorted by expert, so that each expert's weights are read
// once for all of its tokens.

import Glibc
import KernelCore
import Platform

/// The experts that a router chose for the tokens of a batch.
///
/// Each token has `usedCount` rows, one for each of its experts; all rows of an expert lie side by side.
package final class ExpertRoutes: @unchecked Sendable {
    /// An expert that has tokens.
    struct Active {
        let expert: Int
        /// Its rows.
        let rows: Range<Int>
    }

    /// The most tokens of a batch.
    package let capacity: Int
    package let expertCount, usedCount: Int
    /// Tokens of the present batch.
    package private(set) var tokenCount = 0
    /// Rows of the present batch.
    package var rowCount: Int { tokenCount * usedCount }

    /// [capacity × usedCount], each token's experts in ascending order.
    private let experts: AlignedBuffer<Int32>
    /// [capacity × usedCount], the factors of the experts' outputs.
    private let weights: AlignedBuffer<Float>
    /// [capacity × usedCount], the row of each token's expert.
    private let rows: AlignedBuffer<Int32>
    /// [expertCount + 1], the first row of each expert.
    private let starts: AlignedBuffer<Int32>
    /// [expertCount], the experts that have tokens.
    private let actives: AlignedBuffer<Int32>
    private(set) var activeCount = 0

    /// - Throws: `AllocationError`.
    /// - Precondition: 1 ≤ usedCount ≤ expertCount; the capacity is positive.
    package init(capacity: Int, expertCount: Int, usedCount: Int) throws(AllocationError) {
        precondition(
            capacity > 0 && usedCount > 0 && usedCount <= expertCount, "ExpertRoutes: sizes must be positive")
        (self.capacity, self.expertCount, self.usedCount) = (capacity, expertCount, usedCount)
        experts = try AlignedBuffer(count: capacity * usedCount)
        weights = try AlignedBuffer(count: capacity * usedCount)
        rows = try AlignedBuffer(count: capacity * usedCount)
        starts = try AlignedBuffer(count: expertCount + 1)
        actives = try AlignedBuffer(count: expertCount)
    }

    package static func byteCount(capacity: Int, expertCount: Int, usedCount: Int) -> Int {
        3 * AlignedBuffer<Float>.byteCount(capacity * usedCount)
            + AlignedBuffer<Int32>.byteCount(expertCount + 1) + AlignedBuffer<Int32>.byteCount(expertCount)
    }

    /// The experts of a token with their rows and weights, in ascending order.
    package func forEachExpert(of token: Int, _ body: (_ expert: Int, _ row: Int, _ weight: Float) -> Void) {
        precondition(token >= 0 && token < tokenCount, "ExpertRoutes: no such token")
        for index in token * usedCount..<(token + 1) * usedCount {
            body(Int(experts[index]), Int(rows[index]), weights[index])
        }
    }

    /// An expert that has tokens.
    /// - Parameter index: 0..<activeCount, in ascending order of experts.
    func active(_ index: Int) -> Active {
        let expert = Int(actives[index])
        return Active(expert: expert, rows: Int(starts[expert])..<Int(starts[expert + 1]))
    }

    /// Begins a batch.
    func start(tokenCount: Int) {
        precondition(tokenCount >= 0 && tokenCount <= capacity, "ExpertRoutes: more tokens than room")
        self.tokenCount = tokenCount
    }

    /// Chooses a token's experts: those with the largest logits, the first of equal ones.
    ///
    /// - Parameters:
    ///   - logits: [expertCount], overwritten.
    ///   - normalizes: whether the weights of the chosen experts are divided by their sum.
    func choose(_ token: Int, logits: UnsafeMutablePointer<Float>, normalizes: Bool) {
        var largest = -Float.infinity
        for expert in 0..<expertCount { largest = max(largest, logits[expert]) }
        var sum: Float = 0
        for expert in 0..<expertCount {
            // Rounded from Double: libraries' own Float exponentials differ between instruction sets.
            logits[expert] = Float(exp(Double(logits[expert] - largest)))
            sum += logits[expert]
        }
        let own = experts.baseAddress + token * usedCount
        for place in 0..<usedCount { own[place] = Int32(nextLargest(logits, after: own, place)) }
        // In ascending order, so that a token's sum does not depend on the batch.
        for place in 1..<max(usedCount, 1) {
            var free = place
            let expert = own[place]
            while free > 0, own[free - 1] > expert {
                own[free] = own[free - 1]
                free -= 1
            }
            own[free] = expert
        }
        let ownWeights = weights.baseAddress + token * usedCount
        var chosenSum: Float = 0
        for place in 0..<usedCount { chosenSum += logits[Int(own[place])] }
        for place in 0..<usedCount {
            ownWeights[place] = logits[Int(own[place])] / (normalizes ? chosenSum : sum)
        }
    }

    private func nextLargest(
        _ values: UnsafeMutablePointer<Float>, after chosen: UnsafeMutablePointer<Int32>, _ count: Int
    ) -> Int {
        var best = -1
        for expert in 0..<expertCount {
            if best >= 0, !(values[expert] > values[best]) { continue }
            var isFree = true
            for place in 0..<count where chosen[place] == expert { isFree = false }
            if isFree { best = expert }
        }
        return best
    }

    /// Sorts the rows by expert, once every token has its experts.
    func finish() {
        let counts = starts.baseAddress
        for expert in 0...expertCount { counts[expert] = 0 }
        for index in 0..<rowCount { counts[Int(experts[index]) + 1] += 1 }
        activeCount = 0
        for expert in 0..<expertCount {
            if counts[expert + 1] > 0 {
                actives.baseAddress[activeCount] = Int32(expert)
                activeCount += 1
            }
            counts[expert + 1] += counts[expert]
        }
        // Each start moves to its end while rows are given out, then back.
        for index in 0..<rowCount {
            let expert = Int(experts[index])
            rows.baseAddress[index] = counts[expert]
            counts[expert] += 1
        }
        for expert in stride(from: expertCount, to: 0, by: -1) { counts[expert] = counts[expert - 1] }
        counts[0] = 0
    }
}
