// SPDX-License-Identifier: Apache-2.0
// The progress of an operation with several phases as one fraction, weighted by the expected time of each phase. Wrong
// expectations change its speed, but it never decreases.

/// The progress of an operation with several phases.
package struct PhasedProgress<Phase: Equatable & Sendable>: Sendable {
    /// The expected time of a phase.
    package struct Expectation: Sendable {
        let phase: Phase
        let weight: Double
        let total: Int?
        let mayBeLeftOut: Bool

        /// - Parameters:
        ///   - weight: its time, in any unit, for `total` steps.
        ///   - total: its usual number of steps, if the time grows with it; nil if the time does not depend on it.
        ///   - mayBeLeftOut: whether the phase may turn out to be unnecessary.
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

    /// The completed share, in 0...1; it never decreases.
    package private(set) var fraction = 0.0
    private var parts: [Part]

    /// - Parameter expectations: one per phase, in the order in which phases begin.
    package init(_ expectations: [Expectation]) {
        parts = expectations.map { Part(expectation: $0, weight: $0.weight) }
    }

    /// Reports the progress of a phase; phases may alternate.
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
