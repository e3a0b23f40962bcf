// SPDX-License-Identifier: Apache-2.0
// Steering at run time: a few vector operations on the rows of the residual stream.

import Formats
import Kernels
import Platform

/// Which rows of a batch a plan is applied to, and where they are in the context.
package struct SteeringPlace {
    /// Context position of the sequence's first row.
    package let firstPosition: Int
    /// That row's index in the batch.
    package let firstRow: Int
    /// Whether the rows belong to the prompt or to generated text; profiles choose their phase.
    package let isPrompt: Bool
    /// The results of the plan's conditions.
    package let gates: SteeringGates?

    package init(firstPosition: Int = 0, firstRow: Int = 0, isPrompt: Bool, gates: SteeringGates? = nil) {
        self.firstPosition = firstPosition
        self.firstRow = firstRow
        self.isPrompt = isPrompt
        self.gates = gates
    }
}

extension SteeringPlan {
    /// Whether the plan has a step at this site and layer.
    package func acts(at site: SteeringProfile.Site, layer: Int) -> Bool {
        !isEmpty && !steps(at: site, layer: layer).isEmpty
    }

    /// Applies the steps of a site to some rows of x.
    ///
    /// - Parameters:
    ///   - x: [tokens × width of the site], changed in place.
    ///   - tokens: the rows to change.
    ///   - factors: [width of the site], map x to the source's head outputs for steps learned in that basis; nil for 1.
    /// - Precondition: a plan with conditions comes with its gates.
    package func apply(
        _ site: SteeringProfile.Site, layer: Int, to x: AlignedBuffer<Float>, tokens: Range<Int>,
        sourceFactors: [Float]? = nil, _ place: SteeringPlace, with compute: Compute
    ) {
        guard !isEmpty else { return }
        for step in steps(at: site, layer: layer) where step.phase.includes(prompt: place.isPrompt) {
            let width = step.direction.count
            precondition(tokens.upperBound * width <= x.count, "steering: more rows than the buffer holds")
            let factors = step.hasSourceBasis ? sourceFactors : nil
            for token in tokens {
                let position = place.firstPosition + token - place.firstRow
                guard step.positions.contains(position) else { continue }
                if let condition = step.condition {
                    guard let gates = place.gates else { preconditionFailure("steering: no gates") }
                    guard gates.isOpen(condition, position: position, isPrompt: place.isPrompt) else {
                        continue
                    }
                }
                let row = x.baseAddress + token * width
                // Rows without an active step keep their bits.
                if let factors { for index in 0..<width { row[index] *= factors[index] } }
                step.apply(to: row, with: compute)
                if let factors { for index in 0..<width { row[index] /= factors[index] } }
            }
        }
    }
}

extension SteeringProfile.Phase {
    func includes(prompt isPrompt: Bool) -> Bool {
        switch self {
        case .both: true
        case .prompt: isPrompt
        case .generation: !isPrompt
        }
    }
}
