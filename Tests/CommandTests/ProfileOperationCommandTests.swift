// SPDX-License-Identifier: Apache-2.0
// Profiles of every kind through the commands: trained, gated, calibrated, used.

import Formats
import JSON
import Steering
import TestSupport
import Testing

@Suite struct ProfileOperationCommandTests {
    private let place = Workplace()

    private func trained(_ model: String, _ name: String, _ options: String...) -> Outcome {
        place.write(somePairs, to: "pairs.jsonl")
        return place.tiller(
            [
                "profile", "train", model, "--pairs", place.path("pairs.jsonl"), "--name", name, "--layers",
                "1",
            ] + options)
    }

    private func text(_ model: String, _ options: String...) throws -> String? {
        let outcome = place.tiller(
            [
                "generate", model, "--prompt", "It was", "--temperature", "0", "--max-tokens", "8", "--json",
            ] + options)
        #expect(outcome.status == 0, "\(outcome.error)")
        return try outcome.json["text"]?.stringValue
    }

    @Test(arguments: ["add", "project-out", "clamp", "rotate", "scale", "head-add"], ["llama", "mistral"])
    func everyOperationIsTrainedStoredAndUsed(operation: String, name: String) throws {
        let model = place.convert(name)
        let training = trained(model, "glad", "--operation", operation)
        #expect(training.status == 0, "\(training.error)")
        let shown = place.tiller("profile", "show", model, "glad")
        #expect(
            shown.output.contains(operation == "head-add" ? "add at headOutputs" : "\(operation) at residual")
        )
        #expect(place.tiller("verify", model).status == 0)
        #expect(try text(model, "--steer", "glad=0") == text(model))
        #expect(place.tiller("generate", model, "--prompt", "a", "--steer", "glad").status == 0)
        let file = place.path("glad.tillerprofile")
        #expect(place.tiller("profile", "export", model, "glad", file).status == 0)
        #expect(place.tiller("profile", "import", model, file, "--name", "again").status == 0)
        let vector = place.tiller("profile", "export", model, "glad", place.path("glad.gguf"))
        #expect(vector.status == (operation == "add" ? 0 : 1))
    }

    /// Profiles of an earlier version do not say in which basis their heads are.
    @Test func headsOfAnUnknownBasisAreNotImported() throws {
        let model = place.convert("llama")
        #expect(trained(model, "glad", "--operation", "head-add").status == 0)
        let file = place.path("glad.tillerprofile")
        #expect(place.tiller("profile", "export", model, "glad", file).status == 0)
        var profile = try TillerProfileFile.read(file)
        #expect(profile.fitsEveryFile)
        for index in profile.operations.indices { profile.operations[index].basis = .file }
        try TillerProfileFile.write(profile, to: file, replaceExisting: true)
        let refused = place.tiller("profile", "import", model, file, "--name", "old")
        #expect(refused.status == 1 && refused.errorLines.count == 1, "\(refused.error)")
        #expect(refused.error.contains("old") && refused.error.contains("heads of one file"))
        #expect(place.tiller("profile", "import", model, file, "--name", "old", "--force").status == 0)
        #expect(place.tiller("generate", model, "--prompt", "a", "--steer", "old").status == 0)
    }

    @Test func aGateIsSetFoundAndTakenAway() throws {
        let model = place.convert("llama")
        #expect(trained(model, "glad").status == 0)
        #expect(trained(model, "sad").status == 0)
        let steered = try text(model, "--steer", "glad=9")
        func gate(_ options: String...) -> Outcome {
            place.tiller(["profile", "gate", model, "glad"] + options)
        }
        // A gate that never opens is no steering; one that always does changes nothing.
        for once in [[], ["--once"]] {
            #expect(
                place.tiller(["profile", "gate", model, "glad", "--when", "sad", "--above", "1e6"] + once)
                    .status == 0)
            #expect(try text(model, "--steer", "glad=9") == text(model))
        }
        #expect(gate("--when", "sad", "--below", "1e6").status == 0)
        #expect(try text(model, "--steer", "glad=9") == steered)
        let found = gate("--when", "sad", "--pairs", place.path("pairs.jsonl"))
        #expect(found.status == 0 && found.output.contains("classified correctly"), "\(found.error)")
        let shown = place.tiller("profile", "show", model, "glad")
        #expect(shown.output.contains("gate  ") && shown.output.contains("in each token"))
        #expect(gate("--off").status == 0)
        #expect(try text(model, "--steer", "glad=9") == steered)

        for wrong in [
            ["--when", "none", "--above", "1"], ["--when", "sad", "--above", "1e9"],
            ["--when", "sad", "--above", "1", "--layer", "0"],
            ["--when", "sad", "--pairs", place.path("nothing.jsonl")],
        ] {
            let before = place.bytes(of: "model.tiller")
            let outcome = place.tiller(["profile", "gate", model, "glad"] + wrong)
            #expect((1...2).contains(outcome.status) && outcome.errorLines.count == 1, "\(wrong)")
            #expect(place.bytes(of: "model.tiller") == before)
        }
        for wrong in [[], ["--when", "sad"], ["--off", "--above", "1"], ["--above", "1"]] {
            #expect(place.tiller(["profile", "gate", model, "glad"] + wrong).status == 2, "\(wrong)")
        }
    }

    @Test func calibrationGoesIntoTheProfileAndTheReport() throws {
        let model = place.convert("llama")
        #expect(trained(model, "glad").status == 0)
        let report = place.path("report")
        func calibrate(_ options: [String]) -> Outcome {
            place.tiller(
                ["profile", "calibrate", model, "glad", "--validation", place.path("pairs.jsonl")] + options)
        }
        let outcome = calibrate(["--damage", "0.02", "--report", report, "--json"])
        #expect(outcome.status == 0, "\(outcome.error)")
        let curve = try outcome.json
        #expect(curve["damage_budget"] == 0.02 && (curve["curve"]?.arrayValue?.count ?? 0) >= 8)
        let shown = try place.tiller("profile", "show", model, "glad", "--json").json
        #expect(shown["evaluation"]?["calibration"]?["curve"] == curve["curve"])
        #expect(shown["maximum_strength"] == curve["maximum_strength"])
        let picture = String(decoding: place.bytes(of: "report/glad.calibration.svg"), as: UTF8.self)
        #expect(picture.hasPrefix("<svg") && picture.hasSuffix("</svg>\n"))
        #expect(try JSON.parse(place.bytes(of: "report/glad.calibration.json")) == curve)
        let table = calibrate([])
        #expect(table.status == 0 && table.output.contains("95 % interval"))
        #expect(place.tiller("verify", model).status == 0)

        let before = place.bytes(of: "model.tiller")
        for wrong in [
            ["--damage", "0"], ["--damage", "nan"], ["--max-pairs", "0"],
            ["--report", place.path("pairs.jsonl") + "/x"],
        ] {
            let outcome = calibrate(wrong)
            #expect((1...2).contains(outcome.status) && outcome.errorLines.count == 1, "\(wrong)")
        }
        #expect(
            place.tiller("profile", "calibrate", model, "none", "--validation", place.path("pairs.jsonl"))
                .status == 1)
        #expect(place.bytes(of: "model.tiller") == before)
    }

    @Test func strengthsOutsideTheirRangeAreWarnedOf() {
        let model = place.convert("llama")
        #expect(trained(model, "glad").status == 0)
        let generate = ["generate", model, "--prompt", "a", "--max-tokens", "2", "--steer"]
        #expect(place.tiller(generate + ["glad"]).error.isEmpty)
        let warned = place.tiller(generate + ["glad=900"])
        #expect(warned.status == 0 && warned.error.contains("warning: glad=900.0 is outside"))
        let chat = place.tiller("chat", model, "--steer", "glad=-900", input: "/steer\n")
        #expect(chat.status == 0 && chat.error.contains("warning") && chat.output.contains("outside"))
    }

    @Test func theCostOfEveryOperationIsMeasured() throws {
        let outcome = place.tiller(
            "bench", place.convert("llama-yarn"), "--operations", "--repetitions", "1", "--json")
        #expect(outcome.status == 0, "\(outcome.error)")
        let names = try outcome.json["operations"]?.arrayValue?.compactMap { $0["operation"]?.stringValue }
        #expect(names?.count == 10 && names?.first == "nothing")
        #expect(place.tiller("bench", place.convert("llama", to: "short.tiller"), "--operations").status == 2)
    }
}
