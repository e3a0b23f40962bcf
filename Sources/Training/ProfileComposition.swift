// SPDX-License-Identifier: Apache-2.0
// Several profiles at once: the strength of each so that together they cost as much as one alone may cost, and the
// overlap of their directions.

import Evaluation
import Formats
import JSON
import Steering
import Tiller

/// Profiles that share one side-effect budget.
package struct ProfileComposition: Sendable {
    package struct Part: Sendable {
        package let name: String
        package let strength: Float
        /// KL of this part alone, on the text of the composition's `damage`, in nats per token.
        package let damage: Double
    }

    package let budget: Double
    /// The spent part of the budget: KL of all parts together on the text that the strengths were chosen on.
    package let spent: Double
    package let parts: [Part]
    /// KL of all parts together on another neutral text.
    package let damage: Double
    /// Cosines between the profiles' displacements of the residual stream: 1 agrees, −1 opposes, [parts × parts].
    package let gram: [[Double]]

    package var json: JSON {
        [
            "budget": .number(budget), "spent": .number(spent), "damage": .number(damage),
            "profiles": .array(
                parts.map {
                    [
                        "name": .string($0.name), "strength": .number(Double($0.strength)),
                        "damage_alone": .number($0.damage),
                    ]
                }), "gram": .array(gram.map { .array($0.map { .number($0) }) }),
        ]
    }
}

extension ProfileComposition {
    /// Scales the profiles' recommended strengths by one factor so that together they cost the budget.
    ///
    /// - Parameter selection: profiles of the engine's file; a strength in it is the profile's weight, in units of its
    ///   recommended strength.
    /// - Throws: `TillerError.invalidOption` for fewer than two profiles or a budget out of range.
    package init(_ selection: [AppliedProfile], engine: Engine, budget: Double) throws(TillerError) {
        guard selection.count >= 2, Set(selection.map(\.name)).count == selection.count else {
            throw .invalidOption("a composition needs two or more different profiles")
        }
        guard budget >= 0.001, budget <= 1 else {
            throw .invalidOption("the KL budget is \(budget) nats, expected 0.001...1")
        }
        var profiles: [SteeringProfile] = [], weights: [Float] = []
        for steer in selection {
            let profile = try engine.profile(named: steer.name)
            profiles.append(profile.actingOnScoredText)
            weights.append((steer.strength ?? 1) * profile.recommendedStrength)
        }
        let calibration = try StrengthCalibration(engine: engine)
        let layerCount = engine.model.configuration.layerCount
        func damage(_ scale: Float, _ indices: some Sequence<Int>, on meter: SideEffectMeter) -> Double {
            let active = indices.map {
                ActiveProfile(profile: profiles[$0], strength: scale * weights[$0])
            }
            return meter.damage(of: SteeringPlan(active: active, layerCount: layerCount)).divergence
        }
        let chosen = StrengthSearch(target: budget, largest: 16)
            .run(start: 1 / Float(profiles.count).squareRoot()) {
                damage($0, profiles.indices, on: calibration.choosing)
            }
            .affordable
        let scale = chosen.strength
        self.budget = budget
        spent = chosen.cost
        self.damage = damage(scale, profiles.indices, on: calibration.measuring)
        parts = profiles.indices.map { index in
            Part(
                name: profiles[index].name, strength: scale * weights[index],
                damage: damage(scale, [index], on: calibration.measuring))
        }
        gram = Self.gram(zip(profiles, weights).map { $0.displacements(strength: $1) })
    }

    /// Cosines between displacements, each over all its places together.
    private static func gram(_ displacements: [[Displacement.Place: [Double]]]) -> [[Double]] {
        func product(_ a: [Displacement.Place: [Double]], _ b: [Displacement.Place: [Double]]) -> Double {
            // A fixed order makes the sum reproducible.
            a.keys.filter { b[$0] != nil }.sorted().reduce(0.0) { sum, place in
                sum + zip(a[place] ?? [], b[place] ?? []).reduce(0) { $0 + $1.0 * $1.1 }
            }
        }
        let squares = displacements.map { product($0, $0) }
        return displacements.indices.map { i in
            displacements.indices.map { j in
                guard squares[i] > 0, squares[j] > 0 else { return i == j ? 1 : 0 }
                return i == j
                    ? 1 : product(displacements[i], displacements[j]) / (squares[i] * squares[j]).squareRoot()
            }
        }
    }
}

/// The displacement of the states by a profile, per place.
private enum Displacement {
    struct Place: Hashable, Comparable {
        let site: String
        let layer: Int

        static func < (a: Place, b: Place) -> Bool { (a.layer, a.site) < (b.layer, b.site) }
    }
}

extension SteeringProfile {
    /// Σ strength · coefficient · r · v of all operations at a place. State-dependent operations count as if they added
    /// their direction.
    fileprivate func displacements(strength: Float) -> [Displacement.Place: [Double]] {
        var result: [Displacement.Place: [Double]] = [:]
        for operation in operations {
            let place = Displacement.Place(site: operation.site.rawValue, layer: operation.layer)
            let amount = Double(strength * operation.coefficient * residualRMS[operation.layer])
            let vector = vector(operation.vector, of: operation).map { amount * Double($0) }
            result[place] = result[place].map { zip($0, vector).map { $0 + $1 } } ?? vector
        }
        return result
    }
}
