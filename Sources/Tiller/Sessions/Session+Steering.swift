// SPDX-License-Identifier: Apache-2.0
// Changing what steers a session.

import Formats
import Platform
import Steering

/// A profile of the model file by name, and how strongly it steers.
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
    /// - Throws: `TillerError.invalidOption` where the strength is not a number of reasonable size.
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

    /// Far beyond anything that leaves text intact, and far from what overflows.
    package static let largestStrength: Float = 1000
}

extension Engine {
    /// The profile of a name.
    ///
    /// - Throws: `TillerError.invalidProfile` that lists the names there are.
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
    /// - Parameter change: what is made of each profile before.
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
    /// Steers everything from here on, and what came before: cached keys and values belong to the steering
    /// under which they were computed, so a change recomputes them when they are next needed, from the first token on
    /// that the old or the new steering changes.
    ///
    /// - Throws: `TillerError.invalidProfile` for unknown or unfit profiles, `.outOfMemory`; the steering then stays as it was.
    public func steer(_ selection: [AppliedProfile]) throws(TillerError) {
        guard selection != steering else { return }
        try steer(by: engine.plan(selection))
        steering = selection
    }

    /// Steers by a plan that may be in no file.
    ///
    /// - Throws: `TillerError.outOfMemory`; the steering then stays as it was.
    package func steer(by newPlan: SteeringPlan) throws(TillerError) {
        let newGates: SteeringGates?
        do {
            newGates =
                newPlan.conditions.isEmpty ? nil : try SteeringGates(plan: newPlan, capacity: contextLength)
        } catch { throw TillerError(error) }
        setPlan(newPlan, gates: newGates)
    }

    /// Steers by a plan that is in no file, as the trainers do while they calibrate.
    ///
    /// - Precondition: the system grants the few bytes for each position that conditions need.
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
        // New conditions must be read everywhere.
        invalidateCache(from: newPlan.conditions.isEmpty ? kept : 0)
    }
}
