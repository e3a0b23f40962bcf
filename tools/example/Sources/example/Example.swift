// SPDX-License-Identifier: Apache-2.0
// Asks a model one question and streams its answer: example MODEL.tiller QUESTION [PROFILE[=STRENGTH]]

import Tiller
import TillerStreams

@main
enum Example {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let path = arguments.first, let question = arguments.dropFirst().first else {
            print("Usage: example MODEL.tiller QUESTION [PROFILE[=STRENGTH]]")
            return
        }
        let engine = try Engine(path: path)
        let session = try engine.makeSession()
        try session.steer(arguments.dropFirst(2).map { try AppliedProfile(parsing: $0) })
        try session.evaluate(engine.encode(conversation: [Message(role: "user", content: question)]))
        var options = GenerationOptions()
        options.stopStrings = engine.turnStops
        for try await token in session.stream(options) { print(token.text, terminator: "") }
        print()
    }
}
