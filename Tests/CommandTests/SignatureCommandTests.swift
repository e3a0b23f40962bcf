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
        expectRefusal(place.tiller("keys", "new", "Ada"), code: 1, saying: "Ada.pub")
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
        let verified = place.tiller("verify", model).output
        #expect(verified.contains("signed by 'Ada' on 20") && verified.contains(": profile 'v'"))

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
        let unsigned = place.tiller("verify", model, "--signed-by", "Ada")
        #expect(unsigned.status == 1 && unsigned.error.contains("unsigned"))
        #expect(place.tiller("sign", model, "--key", "Ada").status == 0)
        #expect(place.tiller("verify", model).output.contains("signed by 'Ada' on 20"))
        #expect(place.tiller("verify", model, "--signed-by", "Ada").status == 0)
        #expect(place.tiller("profile", "list", model).output.contains("signed by 'Ada'"))
        #expect(place.tiller("inspect", model).output.contains("in the name of Ada"))
        // What is added is named, and leaves the signature as it is.
        let vector = Workplace.fixtures + "/llama.steering.gguf"
        #expect(place.tiller("profile", "import", model, vector, "--name", "w").status == 0)
        let report = place.tiller("verify", model, "--signed-by", "Ada")
        #expect(report.status == 0 && report.output.contains("added since: profile 'w'"))
        let json = try place.tiller("verify", model, "--json").json
        #expect(json["valid"]?.boolValue == true)
        let signature = json["signatures"]?.arrayValue?.first
        #expect(signature?["missing"]?.intValue == 0 && signature?["version"]?.intValue == 2)
        #expect(signature?["added"]?.arrayValue?.map(\.stringValue) == ["profile 'w'"])
        let runner = place.run(Workplace.executable + "-run", ["verify", model])
        #expect(runner.status == 0 && runner.output.contains("1 signature, which 'tiller verify' checks"))
        #expect(place.tiller("compact", model).status == 0)
        #expect(place.tiller("verify", model, "--signed-by", "Ada").status == 0)
    }

    @Test(arguments: [["remove", "v"], ["rename", "v", "w"]])
    func aModelFromWhichASignedProfileIsGoneIsRefused(change: [String]) throws {
        let model = steerable()
        #expect(place.tiller("keys", "new", "Ada").status == 0)
        #expect(place.tiller("keys", "new", "Bob").status == 0)
        #expect(place.tiller("sign", model, "--key", "Ada").status == 0)
        #expect(place.tiller(["profile", change[0], model] + change.dropFirst()).status == 0)
        let report = place.tiller("verify", model)
        #expect(report.status == 1 && report.output.contains("undamaged, but not valid"))
        #expect(report.errorLines.count == 1 && report.error.contains("'steering profile' is missing"))
        let json = try place.tiller("verify", model, "--json").json
        #expect(json["valid"]?.boolValue == false)
        #expect(json["signatures"]?.arrayValue?.first?["missing"]?.intValue == 1)
        #expect(place.tiller("verify", model, "--signed-by", "Ada").status == 1)
        // Signed anew by somebody else, it is theirs alone.
        let signed = place.tiller("sign", model, "--key", "Bob")
        #expect(signed.status == 0 && signed.output.contains("outdated signature: signed by 'Ada'"))
        #expect(place.tiller("verify", model, "--signed-by", "Bob").status == 0)
        let others = place.tiller("verify", model, "--signed-by", "Ada")
        #expect(others.status == 1 && others.error.contains("by 'Ada'"))
        // And by both. The same key signs once.
        for _ in 0..<2 { #expect(place.tiller("sign", model, "--key", "Ada").status == 0) }
        #expect(try place.tiller("verify", model, "--json").json["signatures"]?.arrayValue?.count == 2)
        for name in ["Ada", "Bob"] { #expect(place.tiller("verify", model, "--signed-by", name).status == 0) }
    }

    @Test func onlyASignedModelRunsWhereThatIsRequired() throws {
        let model = steerable()
        for name in ["Ada", "Bob"] { #expect(place.tiller("keys", "new", name).status == 0) }
        let generate = ["generate", model, "--prompt", "The cat", "--max-tokens", "2", "--require-signed-by"]
        let chat = ["chat", model, "--max-tokens", "2", "--require-signed-by"]
        for command in [generate, chat] {
            expectRefusal(place.tiller(command + ["Ada"]), code: 1, saying: "unsigned")
        }
        #expect(place.tiller("sign", model, "--key", "Ada").status == 0)
        for command in [generate, chat] {
            #expect(place.tiller(command + ["Ada"]).status == 0)
            expectRefusal(place.tiller(command + ["Bob"]), code: 1, saying: "'Bob'")
            expectRefusal(place.tiller(command + ["Eve"]), code: 1, saying: "no public key 'Eve' is known")
            let small = place.run(Workplace.executable + "-run", command + ["Ada"])
            expectRefusal(small, code: 1, saying: "this program cannot check it")
        }
        let small = place.run(Workplace.executable + "-run", ["verify", model, "--signed-by", "Ada"])
        expectRefusal(small, code: 1, saying: "this program cannot check it")
    }

    @Test func aForeignFileAmongTheKeysStopsNothing() throws {
        let model = steerable(), file = place.path("v.tillerprofile")
        #expect(place.tiller("keys", "new", "Ada").status == 0)
        let made = place.shell(
            "printf 'junk\\n' > \"$HOME/.config/tiller/keys/x.pub\" && mkdir \"$HOME/.config/tiller/keys/y.pub\""
        )
        #expect(made.status == 0)
        let commands = [
            ["profile", "export", model, "v", file], ["profile", "import", model, file, "--force"],
            ["profile", "list", model], ["sign", model, "--key", "Ada"], ["keys", "list"],
            ["verify", model], ["verify", model, "--signed-by", "Ada"],
        ]
        for command in commands {
            let outcome = place.tiller(command)
            #expect(outcome.status == 0, "\(command): \(outcome.error)")
            #expect(outcome.errorLines.count == 2 && outcome.error.contains("x.pub is skipped"))
        }
        // The key that is asked for must be one.
        expectRefusal(place.tiller("verify", model, "--signed-by", "x"), code: 1, saying: "x.pub")
        // Names come first: a secret key that is broken leaves nothing behind.
        #expect(place.shell("printf 'junk\\n' > \"$HOME/.config/tiller/keys/z.key\"").status == 0)
        let refused = place.tiller("profile", "export", model, "v", place.path("w"), "--sign", "z")
        #expect(refused.status == 1 && place.shell("test -e $folder/w").status == 1)
    }
}
