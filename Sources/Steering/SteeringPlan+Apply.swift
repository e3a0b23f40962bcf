// SPDX-License-Identifier: Apache-2.0
// Steering at run time: a few vector operations on the rows of the stream.

import Formats
import Kernels
import Platform

/// Where the rows of a batch stand, for steps that do not act everywhere.
package struct SteeringPlace {
    /// Position of the timeline's first row in the context.
    package let firstPosition: Int
    /// That row's index in the batch.
    package let firstRow: Int
    /// Whether the rows belong to the prompt or to generated text; profiles choose their phase.
    package let isPrompt: Bool
    /// What the plan's conditions found.
    package let gates: SteeringGates?

    package init(firstPosition: Int = 0, firstRow: Int = 0, isPrompt: Bool, gates: SteeringGates? = nil) {
        self.firstPosition = firstPosition
        self.firstRow = firstRow
        self.isPrompt = isPrompt
        self.gates = gates
    }
}

extension SteeringPlan {
    /// Whether anything happens at a place.
    package func acts(at site: SteeringProfile.Site, layer: Int) -> Bool {
        !isEmpty && !steps(at: site, layer: layer).isEmpty
    }

    /// Applies the steps of a site to some rows of x.
    ///
    /// - Parameters:
    ///   - x: [tokens × width of the site], changed in place.
    ///   - tokens: the rows that are changed.
    ///   - factors: [width of the site], what turns x into the source's heads for the steps that were learned from these;
    ///     nil for 1.
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
                // Rows on which nothing acts keep their bits.
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
