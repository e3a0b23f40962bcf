// SPDX-License-Identifier: Apache-2.0
// Receipts: the same to the bit when they are made again, refused when anything is not what was measured.

import Directions
import Evaluation
import Formats
import JSON
import Kernels
import ModelFixtures
import Quantization
import Steering
import TestSupport
import Testing
import Tiller
import Training

@Suite struct ReceiptTests {
    private let folder = TemporaryFolder()

    private func items(_ count: Int, seed: Int) -> [EvaluationItem] {
        (0..<count).map { index in
            let n = (index * 7 + seed) % 11
            let pair = ContrastivePair(
                positive: "a e i o " + String(repeating: "a ", count: n),
                negative: "t s n r " + String(repeating: "t ", count: n))
            return EvaluationItem(pair: pair, group: "\(index / 2)")
        }
    }

    /// A model with a trained profile 'vowels' and one of noise.
    private func path(_ weights: TensorEncoding = .int8) throws -> String {
        let path = try TinyModel("llama").convert(weights, in: folder)
        var options = TrainingOptions(name: "vowels")
        options.layers = [1]
        let engine = try Engine(path: path)
        let profile = try ProfileTrainer(engine: engine, options: options)
            .train(on: items(24, seed: 1).map(\.pair), dataHash: "0", progress: { _ in })
        var noise = profile
        noise.name = "noise"
        noise.method = "expert-steer ridge rfm"
        var random = RandomStream(seed: 9)
        noise.vectors = profile.vectors.map { $0.map { _ in Float(random.nextNormal()) }.unitNorm }
        for profile in [profile, noise] { try TillerProfileStore.add(profile, in: path) }
        return path
    }

    private func receipt(_ path: String, _ name: String, threads: Int = 2) throws -> ProfileReceipt {
        var options = Engine.Options()
        options.threads = threads
        let engine = try Engine(path: path, options: options)
        let measurement = try ReceiptMeasurement(
            engine: engine, items: items(30, seed: 4), dataHash: "ab", options: ReceiptOptions())
        let profile = try engine.profile(named: name)
        let receipt = try measurement.receipt(of: profile)
        try TillerProfileStore.add(profile.with(receipt), in: path, replacesExisting: true)
        return receipt
    }

    @Test func aReceiptHoldsWhatWasMeasured() throws {
        let path = try path()
        let found = try receipt(path, "vowels").body
        let effect = try #require(found["effect"]?.doubleValue)
        let interval = (found["interval"]?.arrayValue ?? []).compactMap(\.doubleValue)
        #expect(interval.count == 2 && interval[0] <= effect && effect <= interval[1])
        #expect(found["items"]?.intValue == 30 && found["groups"]?.intValue == 15)
        let slope = try #require(found["slope"]?.doubleValue)
        let strength = try #require(found["strength"]?.doubleValue)
        #expect(slope * effect * strength > 0, "a small strength moves the items the way a large one does")
        let kl = try #require(found["damage"]?["kl"]?.doubleValue)
        for (kind, count) in [("random", 24), ("shuffled", 8)] {
            let control = try #require(found["controls"]?[kind])
            let damages = (control["kl"]?.arrayValue ?? []).compactMap(\.doubleValue)
            #expect(damages.count == count)
            // Where noise saturates before it costs as much, it costs what it can.
            #expect(damages.count { abs($0 / kl - 1) < 0.02 } >= count * 3 / 4)
        }
        #expect(found["controls"]?["rotated"] == nil, "no expert taught it")
        let noise = try receipt(path, "noise").body
        #expect(noise["controls"]?["rotated"]?["effects"]?.arrayValue?.count == 8)
        let file = try TillerFile(path: path)
        let profile = try file.profile(named: "noise")
        let standing = try #require(profile).standing(in: file)
        let isDemonstrated = noise["demonstrated"]?.boolValue == true
        #expect(standing == (isDemonstrated ? .demonstrated : .notDemonstrated))
        #expect(!isDemonstrated, "random directions beat no random directions")
    }

    @Test func aReceiptComesOutAgainToTheBit() throws {
        let path = try path()
        let first = try receipt(path, "vowels")
        #expect(try receipt(path, "vowels", threads: 1) == first)
        let engine = try Engine(path: path)
        let profile = try engine.profile(named: "vowels")
        let again = try ReceiptVerification(of: profile, engine: engine)
        #expect(again.outcome == .identical && again.isDemonstrated == first.isDemonstrated)
        let given = try ReceiptVerification(of: profile, engine: engine, items: (items(30, seed: 4), "ab"))
        #expect(given.outcome == .identical)

        // It goes along into a file of its own, and survives another name.
        let alone = folder.path + "/vowels.tillerprofile"
        try TillerProfileFile.write(profile, to: alone, replaceExisting: false)
        var back = try TillerProfileFile.read(alone)
        back.name = "renamed"
        #expect(try ReceiptVerification(of: back, engine: engine).outcome == .identical)
    }

    @Test(arguments: [TensorEncoding.int8, .float32])
    func everyInstructionSetGivesTheSameBits(weights: TensorEncoding) throws {
        let path = try path(weights)
        _ = try receipt(path, "vowels")
        for kernels in KernelSet.available.map(\.name) {
            var options = Engine.Options()
            options.kernels = kernels
            let engine = try Engine(path: path, options: options)
            let profile = try engine.profile(named: "vowels")
            #expect(try ReceiptVerification(of: profile, engine: engine).outcome == .identical, "\(kernels)")
        }
    }

    @Test func figuresMayDifferOnlyForAReason() throws {
        let path = try path()
        let fresh = try receipt(path, "vowels").body
        let profile = try Engine(path: path).profile(named: "vowels")
        let effect = try #require(fresh["effect"]?.doubleValue)
        func outcome(_ change: (inout JSON.Object) -> Void) throws -> ReceiptVerification.Outcome {
            var stored = fresh
            change(&stored)
            return try ReceiptVerification.compare(stored, with: fresh, of: profile)
        }
        #expect(try outcome { $0["kernels"] = "others" } == .identical)
        // A last digit is enough.
        #expect(throws: TillerError.self) { _ = try outcome { $0["effect"] = .number(effect.nextUp) } }
        for (key, reason) in [
            ("mathematics", ReceiptVerification.Leniency.mathematics), ("program", .program),
        ] {
            let found = try outcome {
                $0[key] = "another"
                $0["effect"] = .number(effect + 0.01)
            }
            guard case .close(let difference, reason) = found else {
                Issue.record("\(key): \(found)")
                continue
            }
            #expect(abs(difference - 0.01) < 1e-9)
            #expect(throws: TillerError.self) {
                _ = try outcome {
                    $0[key] = "another"
                    $0["effect"] = .number(effect * 1.2 + 0.1)
                }
            }
        }
    }

    @Test func anotherCacheIsAnotherComputation() throws {
        let path = try path()
        _ = try receipt(path, "vowels")
        var options = Engine.Options()
        options.cache = .float32
        let engine = try Engine(path: path, options: options)
        let profile = try engine.profile(named: "vowels")
        let error = #expect(throws: TillerError.self) {
            _ = try ReceiptVerification(of: profile, engine: engine)
        }
        // The heads of this model are too small for 8 bits.
        #expect("\(error.map { "\($0)" } ?? "")".contains("use --cache f16"))
    }

    @Test func whatWasTamperedWithIsRefused() throws {
        let path = try path()
        _ = try receipt(path, "vowels")
        let engine = try Engine(path: path)
        let profile = try engine.profile(named: "vowels")
        func refuse(_ profile: SteeringProfile, _ engine: Engine, saying words: String) {
            let error = #expect(throws: TillerError.self) {
                _ = try ReceiptVerification(of: profile, engine: engine)
            }
            #expect("\(error.map { "\($0)" } ?? "")".contains(words), "\(error.map { "\($0)" } ?? "")")
        }
        // A vector, a strength.
        var changed = profile
        changed.vectors[0][3] += 1e-6
        refuse(changed, engine, saying: "was changed after its receipt")
        #expect(changed.standing(in: engine.file).label == "not demonstrated (receipt void)")
        changed = profile
        changed.recommendedStrength *= 1.5
        changed.maximumStrength *= 1.5
        refuse(changed, engine, saying: "was changed after its receipt")
        // A figure, with the old seal.
        changed = profile
        var record = try #require(profile.evaluation.objectValue)
        var body = try #require(record["receipt"]?.objectValue)
        body["effect"] = .number(3)
        record["receipt"] = .object(body)
        changed.evaluation = .object(record)
        refuse(changed, engine, saying: "its seal does not match")
        // A figure, sealed anew: running it again tells.
        body["seal"] = nil
        changed = profile.with(ProfileReceipt(body: body))
        refuse(changed, engine, saying: "is not reproduced: effect is 3.0")
        // Other weights of the same model, and a profile without a receipt.
        let other = try Engine(path: TinyModel("llama").convert(.float32, in: folder))
        refuse(profile, other, saying: "other weights")
        refuse(profile.with(nil), engine, saying: "has no receipt")
        // Other items.
        #expect(throws: TillerError.self) {
            _ = try ReceiptVerification(of: profile, engine: engine, items: (items(30, seed: 5), "cd"))
        }
    }

    @Test func aChangeOfStrengthDropsTheReceipt() throws {
        let path = try path()
        _ = try receipt(path, "vowels")
        let engine = try Engine(path: path)
        let profile = try engine.profile(named: "vowels")
        let calibrator = try ProfileCalibrator(
            engine: engine, pairs: items(8, seed: 2).map(\.pair), budget: 0.05, maximumPairCount: 8)
        let changed = try calibrator.calibrate(profile) { _, _ in }.applied(to: profile, dataHash: "0")
        #expect(changed.standing(in: engine.file) == .unproven)
        #expect(changed.evaluation["calibration"] != nil)
    }

    @Test func itemsBelongToGroups() throws {
        let text = """
            {"positive": "a", "negative": "b", "group": "x"}
            {"positive": "c", "negative": null}
            {"positive": "d", "negative": "e", "group": 3}
            {"positive": "f", "negative": "g"}
            """
        let items = try EvaluationItem.read(Array(text.utf8), fileName: "items")
        #expect(items.map(\.group) == ["x", "3", "line 4"])
        #expect(throws: TillerError.self) {
            try EvaluationItem.read(
                Array(#"{"positive": "a", "negative": "b", "group": []}"#.utf8), fileName: "items")
        }
    }

    @Test func severalProfilesKeepToOneBudget() throws {
        let engine = try Engine(path: path())
        let found = try ProfileComposition(
            [AppliedProfile("vowels", strength: 2), AppliedProfile("noise")], engine: engine, budget: 0.05)
        #expect(abs(found.spent / 0.05 - 1) < 0.03)
        #expect(found.damage > 0.02 && found.damage < 0.12 && found.damage != found.spent)
        #expect(found.gram[0][0] == 1 && found.gram[1][1] == 1 && found.gram[0][1] == found.gram[1][0])
        #expect(abs(found.gram[0][1]) < 0.6)
        let profile = try engine.profile(named: "vowels"), noise = try engine.profile(named: "noise")
        let ratio = 2 * profile.recommendedStrength / noise.recommendedStrength
        #expect(abs(found.parts[0].strength / found.parts[1].strength - ratio) < 1e-4 * ratio)
        #expect(throws: TillerError.self) {
            try ProfileComposition([AppliedProfile("vowels")], engine: engine, budget: 0.05)
        }
        #expect(throws: TillerError.self) {
            try ProfileComposition(
                [AppliedProfile("vowels"), AppliedProfile("noise")], engine: engine, budget: 3)
        }
    }
}
