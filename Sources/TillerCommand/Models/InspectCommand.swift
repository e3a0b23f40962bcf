// SPDX-License-Identifier: Apache-2.0
// tiller inspect: what a file holds, and what running it will cost.

import ArgumentParser
import Commands

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(.inspect, usage: "tiller inspect [<options>] <file>")

    @Argument(help: ArgumentHelp(.file)) var file: String
    @Option(parsing: .unconditional, help: ArgumentHelp(.inspectContext)) var context = 2048
    @Option(parsing: .unconditional, help: ArgumentHelp(.resident)) var resident: Double?
    @Flag(help: ArgumentHelp(.tensors)) var tensors = false
    @Flag(help: ArgumentHelp(.json)) var json = false

    func run() throws {
        var request = InspectRequest(file: file)
        request.context = context
        request.resident = resident
        request.listsTensors = tensors
        request.printsJSON = json
        try request.run()
    }
}
