// SPDX-License-Identifier: Apache-2.0
// Conditional steering (CAST, arXiv 2409.05907): gates make operations depend on the state of an earlier layer.

import Formats
import Kernels
import Platform

/// A gate's condition, precomputed: v·x is beyond the bound after a layer.
package struct SteeringCondition: Sendable {
    package let layer: Int
    /// v [hiddenSize], of unit norm.
    package let direction: [Float]
    package let bound: Float
    package let comparison: SteeringProfile.Gate.Comparison
    package let scope: SteeringProfile.Gate.Scope

    init(_ gate: SteeringProfile.Gate, of profile: SteeringProfile) {
        layer = gate.layer
        direction = profile.vectors[gate.vector].unitNorm
        bound = gate.threshold * profile.residualRMS[gate.layer]
        comparison = gate.comparison
        scope = gate.scope
    }

    fileprivate func holds(for projection: Float) -> Bool {
        switch comparison {
        case .above: projection > bound
        case .below: projection < bound
        }
    }
}

/// The projections of a plan's conditions at each position of one context. They are kept next to the KV cache, since a
/// generated token may depend on a prompt that was evaluated long before.
package final class SteeringGates: @unchecked Sendable {
    private let conditions: [SteeringCondition]
    private let capacity: Int
    /// v·x per condition and position, [conditions × capacity].
    private let projections: AlignedBuffer<Float>
    /// The prompt's decision, per condition.
    private var isOpenForGenerated: [Bool]
    /// The prompt that decided.
    private var decidedPrompt: Range<Int>?
    /// Whether any gated step has acted.
    package private(set) var hasOpened = false

    /// - Parameter capacity: positions of the context.
    /// - Throws: `AllocationError`.
    package init(plan: SteeringPlan, capacity: Int) throws(AllocationError) {
        conditions = plan.conditions
        self.capacity = capacity
        projections = try AlignedBuffer(count: conditions.count * capacity)
        isOpenForGenerated = Array(repeating: false, count: conditions.count)
    }

    /// An independent copy.
    /// - Throws: `AllocationError`.
    package func copy(of plan: SteeringPlan, prefix: Int) throws(AllocationError) -> SteeringGates {
        let copy = try SteeringGates(plan: plan, capacity: capacity)
        for index in conditions.indices {
            (copy.projections.baseAddress + index * capacity).update(
                from: projections.baseAddress + index * capacity, count: min(prefix, capacity))
        }
        return copy
    }

    /// Whether a condition reads the state after a layer.
    package func read(after layer: Int) -> Bool { conditions.contains { $0.layer == layer } }

    /// Reads the states of some rows after a layer.
    ///
    /// - x: [tokens × hiddenSize]
    /// - firstRow: index of the row at `firstPosition`.
    package func read(
        _ x: AlignedBuffer<Float>, after layer: Int, tokens: Range<Int>, firstPosition: Int,
        firstRow: Int = 0, with compute: Compute
    ) {
        let offset = firstPosition - firstRow
        for (index, condition) in conditions.enumerated() where condition.layer == layer {
            let width = condition.direction.count
            precondition(
                tokens.upperBound * width <= x.count && offset + tokens.upperBound <= capacity,
                "SteeringGates: more rows than the buffer or the context holds")
            for token in tokens {
                projections[index * capacity + offset + token] = compute.dot(
                    condition.direction, x.baseAddress + token * width, count: width)
            }
        }
    }

    /// Decides from a prompt, by the mean of its projections, for the tokens generated after it.
    ///
    /// - Parameter prompt: its positions, all of them evaluated; position 0 does not count.
    package func decide(by prompt: Range<Int>) {
        guard prompt != decidedPrompt else { return }
        decidedPrompt = prompt
        let positions = prompt.clamped(to: 1..<max(prompt.upperBound, 1))
        for (index, condition) in conditions.enumerated() where condition.scope == .prompt {
            let sum = positions.reduce(0.0) { $0 + Double(projections[index * capacity + $1]) }
            isOpenForGenerated[index] =
                !positions.isEmpty && condition.holds(for: Float(sum / Double(positions.count)))
        }
    }

    /// Discards the decision, since the prompt has changed.
    package func forgetDecision() { decidedPrompt = nil }

    /// Whether the steps of a condition act on a token.
    func isOpen(_ index: Int, position: Int, isPrompt: Bool) -> Bool {
        let condition = conditions[index]
        let isOpen =
            switch condition.scope {
            case .token: condition.holds(for: projections[index * capacity + position])
            case .prompt: !isPrompt && isOpenForGenerated[index]
            }
        if isOpen { hasOpened = true }
        return isOpen
    }

    /// The conditions' projections at the first positions, [conditions][positions].
    package func snapshot(prefix: Int) -> [[Float]] {
        precondition(prefix >= 0 && prefix <= capacity, "SteeringGates: prefix outside of the context")
        return conditions.indices.map { index in (0..<prefix).map { projections[index * capacity + $0] } }
    }

    /// Restores a snapshot.
    /// - Precondition: one row per condition, none longer than the context.
    package func restore(_ rows: [[Float]]) {
        precondition(rows.count == conditions.count && rows.allSatisfy { $0.count <= capacity })
        for (index, row) in rows.enumerated() {
            for (position, value) in row.enumerated() { projections[index * capacity + position] = value }
        }
        decidedPrompt = nil
    }
}
