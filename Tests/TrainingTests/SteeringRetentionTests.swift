// SPDX-License-Identifier: Apache-2.0
// What is left of a profile after quantization, on a random tiny model.

import Evaluation
import Formats
import ModelFixtures
import Quantization
import Steering
import TestSupport
import Testing
import Tiller
import Training

@Suite struct SteeringRetentionTests {
    private let folder = TemporaryFolder()
    private let pairs = (0..<12).map { index in
        ContrastivePair(
            positive: "a e i o " + String(repeating: "a ", count: index),
            negative: "t s n r " + String(repeating: "t ", count: index))
    }

    /// A Float32 model with a profile that was trained on it.
    private func steeredPath() throws -> String {
        let path = try TinyModel("gemma3").convert(in: folder)
        var options = TrainingOptions(name: "vowels")
        options.layers = [2, 3]
        let profile = try ProfileTrainer(engine: Engine(path: path), options: options)
            .train(on: pairs, dataHash: "0", progress: { _ in })
        try TillerProfileStore.add(profile, in: path)
        return path
    }

    private func measure(_ engine: Engine, _ reference: Engine, pairs: [ContrastivePair]) throws
        -> SteeringRetention
    {
        let meter = try RetentionMeter(engine: engine, reference: reference, steer: AppliedProfile("vowels"))
        let states = try meter.compareStates(progress: { _ in })
        return try meter.measure(on: pairs, states: states, progress: { _ in })
    }

    @Test func aModelKeepsAllOfItsOwnSteering() throws {
        let engine = try Engine(path: steeredPath())
        let found = try measure(engine, engine, pairs: pairs)
        #expect(found.states.states.allSatisfy { abs($0 - 1) < 1e-9 })
        // Nothing moves before the first steered layer.
        #expect(
            found.states.displacements.map { $0 == nil } == (0..<found.states.states.count).map { $0 < 2 })
        #expect(found.states.displacements.compactMap(\.self).allSatisfy { abs($0 - 1) < 1e-9 })
        #expect(found.directions.map(\.layer) == [2, 3])
        #expect(found.directions.allSatisfy { abs($0.cosine - 1) < 1e-9 })
        let effect = try #require(found.effect)
        #expect(effect.ratio == 1 && effect.shifts.count == 12 && effect.meanShift > 0)
        let interval = try #require(effect.interval)
        #expect(abs(interval.lowerBound - 1) < 1e-9 && abs(interval.upperBound - 1) < 1e-9)
    }

    @Test func coarserWeightsKeepLess() throws {
        let reference = try Engine(path: steeredPath())
        let cosines = try [TensorEncoding.int8, .int4].map { encoding in
            // The profile is in the reference alone.
            let found = try measure(
                TinyModel("gemma3").engine(encoding, in: folder) { $0.cache = .float32 }, reference,
                pairs: pairs)
            let ratio = try #require(found.effect?.ratio)
            #expect(ratio > 0.5 && ratio < 1.5)
            return found.states.states.reduce(0, +)
        }
        #expect(cosines[1] < cosines[0])
    }

    @Test func pairsAreOptional() throws {
        let engine = try Engine(path: steeredPath())
        let found = try measure(engine, engine, pairs: [])
        #expect(found.effect == nil && found.directions.isEmpty && found.json["retention"] == nil)
    }

    @Test func anEffectMayBeTooSmallToDivideBy() {
        let effect = EffectRetention(shifts: [1, 2], referenceShifts: [-1, 1])
        #expect(effect.ratio == nil && effect.interval == nil)
        #expect(EffectRetention(shifts: [1, 2], referenceShifts: [2, 4]).ratio == 0.5)
    }

    @Test func cosinesAreThoseOfTheDefinition() {
        #expect(cosine([3, 4], [6, 8]).map { abs($0 - 1) < 1e-12 } == true)
        #expect(
            cosine([1, 0], [0, 2]) == 0 && cosine([1, 1], [-2, -2]).map { abs($0 + 1) < 1e-12 } == true)
        #expect(cosine([0, 0], [1, 1]) == nil)
    }

    @Test func otherModelsAndUnknownProfilesAreRefused() throws {
        let engine = try Engine(path: steeredPath())
        let other = try TinyModel("mistral").engine(in: folder)
        for (reference, name, word) in [(other, "vowels", "vocabularies"), (engine, "nothing", "'nothing'")] {
            do {
                _ = try RetentionMeter(engine: engine, reference: reference, steer: AppliedProfile(name))
                Issue.record("not refused: \(name)")
            } catch { #expect("\(error)".contains(word)) }
        }
    }
}
