// SPDX-License-Identifier: Apache-2.0
// Rotations, masks, wide states, positions and gates against their formulas in Double.

import Formats
import Glibc
import Kernels
import Platform
import Steering
import TestSupport
import Testing

@Suite struct OperationTests {
    static let width = 45
    static let rms: Float = 1.7
    private let compute = granted(try Compute(kernels: .best, threadCount: 1))

    private func random(_ count: Int, seed: UInt64) -> [Float] {
        var generator = SeededGenerator(seed: seed)
        return (0..<count).map { _ in generator.nextNormal() }
    }

    private func profile(
        _ operation: SteeringProfile.Operation, _ vectors: [[Float]], phase: SteeringProfile.Phase = .both
    ) -> SteeringProfile {
        SteeringProfile(
            name: "test", description: "", sourceHash: .zero, hiddenSize: Self.width, layerCount: 2,
            method: "test", phase: phase, operations: [operation], residualRMS: [2, Self.rms],
            recommendedStrength: 1, minimumStrength: -1, maximumStrength: 1, vectors: vectors)
    }

    /// Rows [width] after one operation.
    private func apply(
        _ operation: SteeringProfile.Operation, _ vectors: [[Float]], strength: Float, to rows: [Float],
        width: Int = OperationTests.width
    ) -> [Float] {
        let buffer = granted(try AlignedBuffer<Float>(count: rows.count))
        for (index, value) in rows.enumerated() { buffer[index] = value }
        let plan = SteeringPlan(
            active: [ActiveProfile(profile: profile(operation, vectors), strength: strength)], layerCount: 2)
        plan.apply(
            operation.site, layer: operation.layer, to: buffer, tokens: 0..<rows.count / width,
            SteeringPlace(isPrompt: true), with: compute)
        return Array(buffer.elements)
    }

    private func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

    private func rows(_ values: [Float], _ width: Int = OperationTests.width) -> [[Double]] {
        stride(from: 0, to: values.count, by: width).map { values[$0..<$0 + width].map(Double.init) }
    }

    private func expectClose(_ a: [Float], _ b: [[Double]]) {
        // Dot products of 45 terms and a few roundings more, on values of a few units.
        #expect(a.count == b.joined().count)
        #expect(zip(a, b.joined()).allSatisfy { abs(Double($0) - $1) < 2e-5 * max(1, abs($1)) })
    }

    /// Two orthonormal vectors.
    private func plane() -> (v: [Float], u: [Float]) {
        let v = random(Self.width, seed: 2).unitNorm
        return (v, random(Self.width, seed: 3).unitNorm(orthogonalTo: v))
    }

    // MARK: - Formulas

    @Test(arguments: [Float(0.3), -1.2, 3.5])
    func rotatingTurnsTowardsTheDirectionAndKeepsTheNorm(strength: Float) {
        let (v, u) = plane()
        let before = random(3 * Self.width, seed: 4)
        let operation = SteeringProfile.Operation(
            .rotate(second: 1, target: nil), layer: 1, vector: 0, coefficient: 0.5)
        let after = apply(operation, [v, u], strength: strength, to: before)
        let (dv, du) = (v.map(Double.init), u.map(Double.init))
        let angle = Double(strength) * 0.5
        expectClose(
            after,
            rows(before).map { x in
                let (p, q) = (dot(x, dv), dot(x, du))
                let (newP, newQ) = (p * cos(angle) + q * sin(angle), q * cos(angle) - p * sin(angle))
                return x.indices.map { x[$0] + (newP - p) * dv[$0] + (newQ - q) * du[$0] }
            })
        for (old, new) in zip(rows(before), rows(after)) {
            #expect(abs(dot(new, new) / dot(old, old) - 1) < 1e-5)
        }
    }

    @Test(arguments: [Float(0), 60, -150, 180], [Float(1), 0.25])
    func rotatingToATargetGoesTheShorterWay(target: Float, strength: Float) {
        let (v, u) = plane()
        let before = random(5 * Self.width, seed: 5)
        let operation = SteeringProfile.Operation(
            .rotate(second: 1, target: target), layer: 1, vector: 0)
        let after = apply(operation, [v, u], strength: strength, to: before)
        for (old, new) in zip(rows(before), rows(after)) {
            func angle(_ x: [Double]) -> Double {
                atan2(dot(x, u.map(Double.init)), dot(x, v.map(Double.init)))
            }
            let way = remainder(Double(target) * .pi / 180 - angle(old), 2 * .pi)
            let left = remainder(angle(new) - angle(old) - Double(strength) * way, 2 * .pi)
            // From exactly the other side both ways are as short.
            #expect(abs(left) < 1e-4 || abs(abs(way) - .pi) < 1e-3)
            #expect(abs(dot(new, new) / dot(old, old) - 1) < 1e-5)
        }
    }

    @Test(arguments: [false, true])
    func scalingActsThroughItsMask(keepsNorm: Bool) {
        let mask = (0..<Self.width).map { Float($0 % 3) - 1 }
        let before = random(2 * Self.width, seed: 6)
        let operation = SteeringProfile.Operation(
            .scale, layer: 1, vector: 0, coefficient: -0.5, keepsNorm: keepsNorm)
        expectClose(
            apply(operation, [mask], strength: 0.8, to: before),
            rows(before).map { x in
                let changed = zip(x, mask).map { $0 - 0.4 * $0 * Double($1) }
                let ratio = keepsNorm ? (dot(x, x) / dot(changed, changed)).squareRoot() : 1
                return changed.map { $0 * ratio }
            })
    }

    @Test(arguments: [30, 45, 46, 100])
    func statesOfHeadsHaveTheirOwnWidth(width: Int) {
        let vector = random(width, seed: 7).unitNorm
        let vectors = SteeringProfile.rows(of: vector, hiddenSize: Self.width)
        let before = random(3 * width, seed: 8)
        let direction = vector.map(Double.init)
        let add = SteeringProfile.Operation(
            .add, site: .headOutputs, layer: 1, vector: 0, width: width)
        expectClose(
            apply(add, vectors, strength: 2, to: before, width: width),
            rows(before, width).map { x in zip(x, direction).map { $0 + 2 * Double(Self.rms) * $1 } })
        let projectOut = SteeringProfile.Operation(
            .projectOut, site: .headOutputs, layer: 1, vector: 0, width: width)
        expectClose(
            apply(projectOut, vectors, strength: 1, to: before, width: width),
            rows(before, width).map { x in zip(x, direction).map { $0 - dot(x, direction) * $1 } })
    }

    @Test func positionsBoundAnOperation() {
        let before = random(5 * Self.width, seed: 9)
        var operation = SteeringProfile.Operation(.add, layer: 1, vector: 0)
        operation.firstPosition = 1
        operation.endPosition = 3
        let after = apply(operation, [random(Self.width, seed: 10)], strength: 1, to: before)
        let changed = (0..<5).map { row in
            let part = row * Self.width..<(row + 1) * Self.width
            return before[part] != after[part]
        }
        #expect(changed == [false, true, true, false, false])
    }

    // MARK: - Gates

    /// Which of 8 rows an added vector reaches behind a gate; the rows' projections on it are 0, 1, ... 7 times RMS.
    private func reached(
        _ comparison: SteeringProfile.Gate.Comparison, _ threshold: Float,
        scope: SteeringProfile.Gate.Scope, isPrompt: Bool, prompt: Range<Int>? = nil
    ) -> [Int] {
        let axis = (0..<Self.width).map { Float($0 == 3 ? 1 : 0) }
        let gate = SteeringProfile.Gate(layer: 0, vector: 0, comparison, threshold, scope: scope)
        let operation = SteeringProfile.Operation(.add, layer: 1, vector: 0, gate: gate)
        let plan = SteeringPlan(
            active: [ActiveProfile(profile: profile(operation, [axis]), strength: 1)], layerCount: 2)
        let gates = granted(try SteeringGates(plan: plan, capacity: 8))
        let buffer = granted(try AlignedBuffer<Float>(count: 8 * Self.width))
        for row in 0..<8 { buffer[row * Self.width + 3] = Float(row) * 2 }
        #expect(gates.read(after: 0) && !gates.read(after: 1))
        gates.read(buffer, after: 0, tokens: 0..<8, firstPosition: 0, with: compute)
        if let prompt { gates.decide(by: prompt) }
        plan.apply(
            .residual, layer: 1, to: buffer, tokens: 0..<8,
            SteeringPlace(isPrompt: isPrompt, gates: gates), with: compute)
        return (0..<8).filter { buffer[$0 * Self.width + 3] != Float($0) * 2 }
    }

    @Test func gatesOfTokensAskEachToken() {
        for isPrompt in [true, false] {
            #expect(reached(.above, 4, scope: .token, isPrompt: isPrompt) == [5, 6, 7])
            #expect(reached(.below, 4, scope: .token, isPrompt: isPrompt) == [0, 1, 2, 3])
        }
    }

    @Test func gatesOfPromptsAskTheMeanAndActOnWhatIsGenerated() {
        let all = Array(0..<8)
        // The mean over positions 1 ... 3 is 2; position 0 does not count.
        #expect(reached(.above, 1.9, scope: .prompt, isPrompt: false, prompt: 0..<4) == all)
        #expect(reached(.above, 2.1, scope: .prompt, isPrompt: false, prompt: 0..<4) == [])
        #expect(reached(.below, 2.1, scope: .prompt, isPrompt: false, prompt: 0..<4) == all)
        #expect(reached(.above, 3.9, scope: .prompt, isPrompt: false, prompt: 3..<6) == all)
        #expect(reached(.above, 1.9, scope: .prompt, isPrompt: true, prompt: 0..<4) == [])
        // Nothing decided, or nothing to decide by.
        for prompt in [nil, 0..<0, 0..<1] {
            #expect(reached(.above, -100, scope: .prompt, isPrompt: false, prompt: prompt) == [])
        }
    }

    @Test func operationsThatShareAGateReadItOnce() {
        let gate = SteeringProfile.Gate(layer: 0, vector: 0, .above, 1)
        var two = profile(.init(.add, layer: 1, vector: 0, gate: gate), [random(Self.width, seed: 1)])
        two.operations.append(.init(.projectOut, layer: 1, vector: 0, gate: gate))
        two.operations.append(.init(.scale, layer: 1, vector: 0))
        let plan = SteeringPlan(active: [ActiveProfile(profile: two, strength: 1)], layerCount: 2)
        #expect(plan.conditions.count == 1)
        #expect(plan.steps(at: .residual, layer: 1).map(\.condition) == [0, 0, nil])
    }

    @Test func whatControlVectorsCannotDoIsNotExported() {
        let vector = random(Self.width, seed: 12).unitNorm
        var late = SteeringProfile.Operation(.add, layer: 1, vector: 0)
        late.firstPosition = 1
        for operation in [
            late, .init(.scale, layer: 1, vector: 0),
            .init(.add, layer: 1, vector: 0, gate: .init(layer: 0, vector: 0, .above, 1)),
            .init(.add, site: .headOutputs, layer: 1, vector: 0, width: Self.width),
        ] {
            #expect(throws: SteeringError.self) {
                try ControlVector(profile: profile(operation, [vector]), strength: 1)
            }
        }
    }
}
