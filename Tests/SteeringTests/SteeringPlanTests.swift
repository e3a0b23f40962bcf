// SPDX-License-Identifier: Apache-2.0
// Every operation against its formula in Double.

import Formats
import Kernels
import Platform
import Steering
import TestSupport
import Testing

@Suite struct SteeringPlanTests {
    static let width = 45
    static let rms: Float = 1.7

    private func profile(
        _ kind: SteeringProfile.Kind, coefficient: Float = 0.8, keepsNorm: Bool = false,
        phase: SteeringProfile.Phase = .both, site: SteeringProfile.Site = .residual, vector: [Float]
    ) -> SteeringProfile {
        SteeringProfile(
            name: "test", description: "", sourceHash: .zero, hiddenSize: Self.width, layerCount: 2,
            method: "test", phase: phase,
            operations: [
                .init(kind, site: site, layer: 1, vector: 0, coefficient: coefficient, keepsNorm: keepsNorm)
            ],
            residualRMS: [100, Self.rms], recommendedStrength: 1, minimumStrength: -1, maximumStrength: 1,
            vectors: [vector])
    }

    private func random(_ count: Int, seed: UInt64) -> [Float] {
        var generator = SeededGenerator(seed: seed)
        return (0..<count).map { _ in generator.nextNormal() }
    }

    /// Rows after the plan's steps at the residual site of layer 1.
    private func apply(
        _ active: [ActiveProfile], to rows: [Float], isPrompt: Bool = true,
        site: SteeringProfile.Site = .residual,
        layer: Int = 1
    ) -> [Float] {
        let compute = granted(try Compute(kernels: .best, threadCount: 1))
        let buffer = granted(try AlignedBuffer<Float>(count: rows.count))
        for (index, value) in rows.enumerated() { buffer[index] = value }
        SteeringPlan(active: active, layerCount: 2).apply(
            site, layer: layer, to: buffer, tokens: 0..<rows.count / Self.width,
            SteeringPlace(isPrompt: isPrompt), with: compute)
        return Array(buffer.elements)
    }

    /// x += change(v·x) · v for each row, then its old norm if asked for; all in Double.
    private func reference(
        _ rows: [Float], _ vector: [Float], keepsNorm: Bool = false, _ change: (Double) -> Double
    ) -> [Float] {
        var result: [Float] = []
        for start in stride(from: 0, to: rows.count, by: Self.width) {
            let row = rows[start..<start + Self.width].map(Double.init)
            let projection = zip(row, vector).reduce(0) { $0 + $1.0 * Double($1.1) }
            var changed = zip(row, vector).map { $0 + change(projection) * Double($1) }
            if keepsNorm {
                let before = row.reduce(0) { $0 + $1 * $1 }
                let after = changed.reduce(0) { $0 + $1 * $1 }
                changed = changed.map { $0 * (before / after).squareRoot() }
            }
            result += changed.map { Float($0) }
        }
        return result
    }

    private func expectClose(_ a: [Float], _ b: [Float]) {
        // A dot product of 45 terms and two roundings more, on values of a few units.
        #expect(zip(a, b).allSatisfy { abs($0 - $1) < 1e-5 * max(1, abs($1)) })
    }

    @Test(arguments: [false, true])
    func addMovesByStrengthTimesRMS(keepsNorm: Bool) {
        let (rows, vector) = (random(3 * Self.width, seed: 1), random(Self.width, seed: 2).unitNorm)
        let steered = apply(
            [ActiveProfile(profile: profile(.add, keepsNorm: keepsNorm, vector: vector), strength: -1.5)],
            to: rows)
        expectClose(
            steered, reference(rows, vector, keepsNorm: keepsNorm) { _ in -1.5 * 0.8 * Double(Self.rms) })
    }

    @Test func projectingOutRemovesTheDirection() {
        let (rows, vector) = (random(2 * Self.width, seed: 3), random(Self.width, seed: 4).unitNorm)
        let steered = apply(
            [ActiveProfile(profile: profile(.projectOut, coefficient: 1, vector: vector), strength: 1)],
            to: rows)
        expectClose(steered, reference(rows, vector) { -$0 })
        for start in stride(from: 0, to: rows.count, by: Self.width) {
            #expect(abs(zip(steered[start...], vector).reduce(0) { $0 + $1.0 * $1.1 }) < 1e-5)
        }
    }

    @Test(arguments: SteeringProfile.ClampCondition.allCases, [Float(-0.4), 0.3])
    func clampingActsOnItsSideAlone(condition: SteeringProfile.ClampCondition, target: Float) {
        let (rows, vector) = (random(6 * Self.width, seed: 5), random(Self.width, seed: 6).unitNorm)
        let steered = apply(
            [ActiveProfile(profile: profile(.clamp(target: target, condition), vector: vector), strength: 1)],
            to: rows)
        let bound = Double(target * Self.rms)
        expectClose(
            steered,
            reference(rows, vector) { projection in
                let acts =
                    switch condition {
                    case .whenBelow: projection < bound
                    case .whenAbove: projection > bound
                    case .always: true
                    }
                return acts ? 0.8 * (bound - projection) : 0
            })
    }

    @Test func profilesAddUpInTheirOrder() {
        let rows = random(Self.width, seed: 7)
        let (first, second) = (random(Self.width, seed: 8).unitNorm, random(Self.width, seed: 9).unitNorm)
        let steered = apply(
            [
                ActiveProfile(profile: profile(.add, vector: first), strength: 2),
                ActiveProfile(profile: profile(.projectOut, coefficient: 1, vector: second), strength: 1),
            ], to: rows)
        let added = reference(rows, first) { _ in 2 * 0.8 * Double(Self.rms) }
        expectClose(steered, reference(added, second) { -$0 })
    }

    @Test func otherSitesLayersAndPhasesStayUntouched() {
        let (rows, vector) = (random(Self.width, seed: 10), random(Self.width, seed: 11).unitNorm)
        func active(_ phase: SteeringProfile.Phase, _ site: SteeringProfile.Site) -> [ActiveProfile] {
            [ActiveProfile(profile: profile(.add, phase: phase, site: site, vector: vector), strength: 1)]
        }
        #expect(apply(active(.both, .residual), to: rows, layer: 0) == rows)
        #expect(apply(active(.both, .attentionOutput), to: rows) == rows)
        #expect(apply(active(.both, .attentionOutput), to: rows, site: .attentionOutput) != rows)
        #expect(apply(active(.generation, .residual), to: rows, isPrompt: true) == rows)
        #expect(apply(active(.generation, .residual), to: rows, isPrompt: false) != rows)
        #expect(apply(active(.prompt, .residual), to: rows, isPrompt: false) == rows)
        #expect(apply(active(.prompt, .residual), to: rows, isPrompt: true) != rows)
    }

    @Test func strengthZeroLeavesNoStep() {
        let plan = SteeringPlan(
            active: [ActiveProfile(profile: profile(.add, vector: random(Self.width, seed: 1)), strength: 0)],
            layerCount: 2)
        #expect(plan.isEmpty)
    }

    @Test func whatControlVectorsCannotDoIsNotExported() {
        let vector = random(Self.width, seed: 12).unitNorm
        for unfit in [
            profile(.projectOut, vector: vector), profile(.add, keepsNorm: true, vector: vector),
            profile(.add, phase: .prompt, vector: vector),
            profile(.add, site: .attentionOutput, vector: vector),
        ] {
            #expect(throws: SteeringError.self) { try ControlVector(profile: unfit, strength: 1) }
        }
    }
}
