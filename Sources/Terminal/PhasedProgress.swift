// SPDX-License-Identifier: Apache-2.0
// One fraction for an operation of several phases, by the share of the time that each is expected to take. What turns out
// otherwise makes it faster or slower, but never takes it back.

/// How far an operation of several phases is.
package struct PhasedProgress<Phase: Equatable & Sendable>: Sendable {
    /// What is expected of a phase.
    package struct Expectation: Sendable {
        let phase: Phase
        let weight: Double
        let total: Int?
        let mayBeLeftOut: Bool

        /// - Parameters:
        ///   - weight: its time, in any unit, where it has `total` steps.
        ///   - total: its usual number of steps, if more of them take longer; nil if their number says nothing of the time.
        ///   - mayBeLeftOut: whether it turns out later that it is not needed.
        package init(_ phase: Phase, weight: Double, total: Int? = nil, mayBeLeftOut: Bool = false) {
            (self.phase, self.weight, self.total, self.mayBeLeftOut) = (phase, weight, total, mayBeLeftOut)
        }
    }

    private struct Part {
        let expectation: Expectation
        var weight: Double
        var fraction = 0.0
        var hasBegun = false
    }

    /// The part that is done, in 0...1; it only grows.
    package private(set) var fraction = 0.0
    private var parts: [Part]

    /// - Parameter expectations: of all phases, in the order in which they begin.
    package init(_ expectations: [Expectation]) {
        parts = expectations.map { Part(expectation: $0, weight: $0.weight) }
    }

    /// Tells how much of a phase is done; phases may take turns.
    package mutating func update(_ phase: Phase, done: Int, total: Int) {
        guard let index = parts.firstIndex(where: { $0.expectation.phase == phase }) else { return }
        let usual = parts[index].expectation.total
        let scale = usual.map { Double(max(total, 1)) / Double(max($0, 1)) } ?? 1
        parts[index].weight = parts[index].expectation.weight * scale
        parts[index].hasBegun = true
        for earlier in 0..<index where !parts[earlier].hasBegun && parts[earlier].expectation.mayBeLeftOut {
            parts[earlier].weight = 0
        }
        let part = min(max(Double(done) / Double(max(total, 1)), 0), 1)
        parts[index].fraction = max(parts[index].fraction, part)
        let whole = parts.reduce(0) { $0 + $1.weight }
        guard whole > 0 else { return }
        fraction = max(fraction, min(parts.reduce(0) { $0 + $1.weight * $1.fraction } / whole, 1))
    }
}
