// SPDX-License-Identifier: Apache-2.0
// Changes a session's steering.

import Formats
import Platform
import Steering

/// A profile of the model file by name, with its strength.
public struct AppliedProfile: Sendable, Equatable {
    public var name: String
    /// In units of each layer's residual RMS; nil takes the profile's recommended strength.
    public var strength: Float?

    public init(_ name: String, strength: Float? = nil) {
        self.name = name
        self.strength = strength
    }

    /// Parses `NAME` or `NAME=STRENGTH`.
    ///
    /// - Throws: `TillerError.invalidOption` if the strength is not a number of reasonable size.
    public init(parsing text: String) throws(TillerError) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = parts.first, !name.isEmpty else {
            throw .invalidOption("'\(text)' names no profile, expected NAME or NAME=STRENGTH")
        }
        guard parts.count == 2 else {
            self.init(String(name))
            return
        }
        guard let strength = Float(parts[1]), abs(strength) <= Self.largestStrength else {
            throw .invalidOption(
                "'\(parts[1])' is not a strength, expected a number of at most ±\(Int(Self.largestStrength)) as in "
                    + "\(name)=0.8")
        }
        self.init(String(name), strength: strength)
    }

    /// Far beyond any strength that leaves text intact, and far below overflow.
    package static let largestStrength: Float = 1000
}

extension Engine {
    /// The profile with a name.
    ///
    /// - Throws: `TillerError.invalidProfile` that lists the available names.
    package func profile(named name: String) throws(TillerError) -> SteeringProfile {
        guard let entry = file.profiles.first(where: { $0.name == name }) else {
            let names = profileNames.isEmpty ? "none" : profileNames.joined(separator: ", ")
            throw .invalidProfile("there is no profile '\(name)' in this file; it has: \(names)")
        }
        do {
            let profile = try entry.decoded()
            try profile.checkShape(of: model.configuration)
            return profile
        } catch { throw .invalidProfile("\(error)") }
    }

    /// Compiles a selection of profiles.
    ///
    /// - Parameter change: applied to each profile first.
    package func plan(
        _ steering: [AppliedProfile], changing change: (SteeringProfile) -> SteeringProfile = { $0 }
    ) throws(TillerError) -> SteeringPlan {
        var active: [ActiveProfile] = []
        for steer in steering {
            let profile = try profile(named: steer.name)
            active.append(
                ActiveProfile(
                    profile: change(profile), strength: steer.strength ?? profile.recommendedStrength))
        }
        return SteeringPlan(active: active, layerCount: model.configuration.layerCount)
    }
}

extension Session {
    /// Sets the steering of all tokens, past and future. Cached keys and values depend on the steering under which they were
    /// computed, so a change recomputes them when they are next needed, from the first token on that the old or the new steering
    /// affects.
    ///
    /// - Throws: `TillerError.invalidProfile` for unknown or unsuitable profiles, `.outOfMemory`; the steering then stays
    ///   unchanged.
    public func steer(_ selection: [AppliedProfile]) throws(TillerError) {
        guard selection != steering else { return }
        try steer(by: engine.plan(selection))
        steering = selection
    }

    /// Steers by a plan, which need not come from a file.
    ///
    /// - Throws: `TillerError.outOfMemory`; the steering then stays unchanged.
    package func steer(by newPlan: SteeringPlan) throws(TillerError) {
        let newGates: SteeringGates?
        do {
            newGates =
                newPlan.conditions.isEmpty ? nil : try SteeringGates(plan: newPlan, capacity: contextLength)
        } catch { throw TillerError(error) }
        setPlan(newPlan, gates: newGates)
    }

    /// Steers by a plan that is not from a file, as the trainers do during calibration.
    ///
    /// - Precondition: the system grants the few bytes per position that conditions need.
    package func setPlan(_ newPlan: SteeringPlan) {
        let needsGates = !newPlan.conditions.isEmpty
        setPlan(
            newPlan,
            gates: needsGates ? granted(try SteeringGates(plan: newPlan, capacity: contextLength)) : nil)
    }

    private func setPlan(_ newPlan: SteeringPlan, gates newGates: SteeringGates?) {
        let kept = tokensUntouched(by: [plan, newPlan])
        plan = newPlan
        gates = newGates
        // New conditions must be evaluated at every position.
        invalidateCache(from: newPlan.conditions.isEmpty ? kept : 0)
    }
}
