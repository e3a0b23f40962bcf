// SPDX-License-Identifier: Apache-2.0
// Profiles and models that are signed, on their way between people.

import JSON
import TestSupport
import Testing

@Suite struct SignatureCommandTests {
    private let place = Workplace()

    /// A model with a profile "v".
    private func steerable() -> String {
        let model = place.convert("llama")
        let vector = Workplace.fixtures + "/llama.steering.gguf"
        #expect(place.tiller("profile", "import", model, vector, "--name", "v").status == 0)
        return model
    }

    @Test func aSignedProfileGoesFromOneToAnother() throws {
        let model = steerable(), file = place.path("v.tillerprofile")
        #expect(place.tiller("keys", "list").output.contains("no keys"))
        #expect(place.tiller("keys", "new", "Ada").status == 0)
        expectRefusal(place.tiller("keys", "new", "Ada"), code: 1, saying: "Ada.key")
        expectRefusal(place.tiller("keys", "new", "../Eve"), code: 2, saying: "../Eve")
        let keys = try place.tiller("keys", "list", "--json").json["keys"]?.arrayValue ?? []
        #expect(keys.count == 1 && keys[0]["has_secret"]?.boolValue == true)

        #expect(
            place.tiller("profile", "export", model, "v", file, "--sign", "Ada").output.contains(
                "signed by 'Ada'"))
        expectRefusal(
            place.tiller("profile", "export", model, "v", place.path("v.gguf"), "--sign", "Ada"), code: 2,
            saying: "GGUF")
        expectRefusal(
            place.tiller("profile", "export", model, "v", place.path("w"), "--sign", "Bob"), code: 1,
            saying: "Bob.key")
        #expect(place.tiller("profile", "list", model).output.contains("unsigned"))
        #expect(place.tiller("profile", "remove", model, "v").status == 0)
        #expect(place.tiller("profile", "import", model, file).output.contains("signed by 'Ada'"))
        #expect(place.tiller("profile", "list", model).output.contains("signed by 'Ada'"))
        #expect(place.tiller("profile", "show", model, "v").output.contains("signed by 'Ada'"))
        #expect(place.tiller("verify", model).output.contains("signed by 'Ada': profile 'v'"))

        // Nobody knows the key elsewhere; under another name it is another profile.
        let elsewhere = place.shell("TILLER_KEYS=$folder/none $tiller profile list \(model)")
        #expect(elsewhere.output.contains("unknown key") && elsewhere.output.contains("'Ada'"))
        let renamed = place.tiller("profile", "import", model, file, "--name", "w")
        #expect(renamed.output.contains("unsigned") && renamed.error.contains("warning"))
        #expect(place.tiller("profile", "remove", model, "v").status == 0)
        #expect(place.tiller("verify", model).output.contains("unsigned"))
    }

    @Test func aSignedModelSaysWhatWasAddedSince() throws {
        let model = steerable()
        #expect(place.tiller("keys", "new", "Ada").status == 0)
        expectRefusal(place.tiller("sign", model, "--key", "Bob"), code: 1, saying: "Bob.key")
        #expect(place.tiller("sign", model, "--key", "Ada").status == 0)
        #expect(place.tiller("verify", model).output.contains("signed by 'Ada'\n"))
        #expect(place.tiller("profile", "list", model).output.contains("signed by 'Ada'"))
        #expect(place.tiller("inspect", model).output.contains("in the name of Ada"))
        #expect(place.tiller("profile", "rename", model, "v", "w").status == 0)
        let report = place.tiller("verify", model)
        #expect(
            report.status == 0 && report.output.contains("added since: profile 'w'; 1 signed section is gone")
        )
        let json = try place.tiller("verify", model, "--json").json
        #expect(json["valid"]?.boolValue == true)
        #expect(json["signatures"]?.arrayValue?.first?["missing"]?.intValue == 1)
        let runner = place.run(Workplace.executable + "-run", ["verify", model])
        #expect(runner.status == 0 && runner.output.contains("1 signature, which 'tiller verify' checks"))
        // A second signature by the same key of other sections stands beside the first; of the same, it takes its place.
        #expect(place.tiller("sign", model, "--key", "Ada").status == 0)
        #expect(place.tiller("sign", model, "--key", "Ada").status == 0)
        #expect(try place.tiller("verify", model, "--json").json["signatures"]?.arrayValue?.count == 2)
        #expect(place.tiller("compact", model).status == 0)
        #expect(try place.tiller("verify", model, "--json").json["signatures"]?.arrayValue?.count == 2)
    }
}
