// SPDX-License-Identifier: Apache-2.0
// The command line: each command is one file.
import ArgumentParser

@main
struct TillerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tiller", abstract: "Small, steerable language models on modest CPUs.")
}
