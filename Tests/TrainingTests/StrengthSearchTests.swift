// SPDX-License-Identifier: Apache-2.0
// A search returns only what it has measured, whatever the costs do.

import Glibc
import TestSupport
import Testing
import Training

struct StrengthSearchTests {
    /// Costs as profiles have them, and as they hopefully never are.
    static let costs: [(name: String, cost: @Sendable (Float) -> Double)] = [
        ("square", { 3 * Double($0) * Double($0) }),
        ("fourth power", { pow(Double($0), 4) }),
        ("root", { 0.2 * Double($0).squareRoot() }),
        ("saturating", { 0.04 * tanh(Double($0)) }),
        ("jump", { $0 < 0.777 ? 0.001 : 2 }),
        ("nothing", { _ in 0 }),
        ("far too much", { _ in 5 }),
        ("falling", { 1 / (1 + Double($0)) }),
        ("waves", { 0.05 + 0.04 * sin(40 * Double($0)) }),
        ("no number", { $0 > 0.5 ? .nan : 0.01 }),
        ("infinite", { $0 > 0.5 ? .infinity : 0.01 }),
    ]

    @Test(arguments: costs.indices, [1e-4, 0.035, 0.4])
    func whatIsReturnedWasMeasured(index: Int, target: Double) {
        let cost = Self.costs[index].cost
        for (largest, tolerance, isReadable) in [(64, 0.1, true), (1, 0.02, false), (.pi / 2, 0.1, true)]
            as [(Float, Double, Bool)]
        {
            for start: Float in [0.001, 0.25, 3, 1000] {
                var measured: [Float: Double] = [:]
                let found = StrengthSearch(
                    target: target, largest: largest, tolerance: tolerance, isReadable: isReadable
                ).run(start: start) { strength in
                    measured[strength] = cost(strength)
                    return cost(strength)
                }
                #expect(measured.count == found.trials.count && (1...14).contains(measured.count))
                for trial in [found.nearest, found.affordable] {
                    let real = measured[trial.strength]
                    #expect(real == trial.cost || real?.isNaN == true && trial.cost == .infinity)
                    #expect(trial.strength > 0 && trial.strength <= largest)
                }
                if Self.costs[index].name == "nothing" { #expect(found.affordable.strength == largest) }
                // What costs too much is taken only where nothing cheaper was found.
                if measured.values.contains(where: { $0 <= target * (1 + tolerance) }) {
                    #expect(found.affordable.cost <= target * (1 + tolerance))
                }
                let least = measured.values.filter { !$0.isNaN }.map { abs($0 - target) }.min() ?? 0
                #expect(abs(found.nearest.cost - target) <= least)
            }
        }
    }

    /// Where costs obey, they are met: to 2 %, or to what two digits of a strength can do.
    @Test(arguments: [1, 2, 3, 4])
    func theTargetIsMet(power: Double) {
        var random = SeededGenerator(seed: UInt64(power * 8))
        for _ in 0..<200 {
            let factor = exp(4 * Double(random.nextNormal()))
            let target = 0.4 * pow(0.5, Double(Int.random(in: 0..<8, using: &random)))
            let cost: (Float) -> Double = { factor * pow(Double($0), power) }
            let reached = Float(pow(target / factor, 1 / power))
            let exact = StrengthSearch(target: target, largest: 64).run(start: 0.25, cost).nearest
            if reached > 64 {
                #expect(exact.strength == 64)
            } else if reached > 1.01e-3 {
                #expect(abs(exact.cost / target - 1) <= 0.02, "\(factor) \(target)")
            } else {
                #expect(exact.strength < 1.02e-3)
            }
            let readable = StrengthSearch(target: target, largest: 64, tolerance: 0.1, isReadable: true)
                .run(start: 0.25, cost).affordable
            let digits = (readable.strength * 1000).rounded()
            #expect(abs(readable.strength * 1000 - digits) < 1e-2)
            guard reached > 0.01, reached < 64 else { continue }
            // Two digits are at most a tenth apart.
            #expect(readable.cost <= target * 1.1)
            #expect(readable.strength > reached * 0.85, "\(readable.strength) of \(reached)")
        }
    }
}
