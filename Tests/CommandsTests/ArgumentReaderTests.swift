// SPDX-License-Identifier: Apache-2.0
// Words of a command line as both programs read them.

import Commands
import Testing
import Tiller

@Suite struct ArgumentReaderTests {
    private func read(_ words: String...) throws -> Reading {
        try GenerateRequest.read(words, name: "tiller generate", bundle: nil)
    }

    @Test(arguments: [
        (["m", "--promt", "x"], "unknown option '--promt'. Did you mean '--prompt'? see"),
        (["m", "--nope", "x"], "unknown option '--nope'; see 'tiller generate --help'"),
        (["m", "--session", "--json"], "missing value for '--session <file>'"),
        (["m", "--prompt", "x", "--threads", "many"], "the value 'many' is invalid for '--threads <n>'"),
        (["m", "--prompt", "x", "--cache=q4"], "for '--cache <type>', expected f32, f16, int8"),
        (["m", "--json=yes"], "takes no value"), (["m", "n"], "unexpected argument 'n'"),
        (["--prompt", "x"], "missing expected argument '<file>'"),
    ])
    func whatIsWrongIsNamed(words: [String], message: String) {
        let error = #expect(throws: TillerError.self) {
            try GenerateRequest.read(words, name: "tiller generate", bundle: nil)
        }
        #expect(error.map { "\($0)".contains(message) } == true, "\(String(describing: error))")
    }

    @Test func aTextMayBeginWithADash() throws {
        for words in [["m", "--prompt", "--json"], ["--prompt=-", "--", "-m"]] {
            guard case .request = try GenerateRequest.read(words, name: "g", bundle: nil) else {
                Issue.record("\(words) ask for a text")
                continue
            }
        }
        guard case .help = try read("m", "--prompt", "x", "-h") else {
            Issue.record("-h asks for help")
            return
        }
    }

    @Test func noNameStandsForTwoOptions() {
        for command in sharedCommands {
            let names = command.declarations.flatMap(\.options).map(\.name)
            #expect(Set(names).count == names.count && !names.contains("model"), "\(names)")
        }
    }
}
