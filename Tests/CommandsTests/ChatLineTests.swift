// SPDX-License-Identifier: Apache-2.0
// What a line of a chat is taken for.

import Commands
import Testing

private let lines: [(line: String, meaning: ChatLine)] = [
    ("Hi", .message("Hi")), ("  Hi \n", .message("Hi")), ("1/2", .message("1/2")),
    ("/help", .command("/help")), ("/steer a=1 ", .command("/steer a=1")), ("/stear", .command("/stear")),
    ("/usr/bin/env is missing", .command("/usr/bin/env is missing")), ("/", .command("/")),
    ("//usr/bin/env is missing", .message("/usr/bin/env is missing")), ("//", .message("/")),
    ("///", .message("//")), (" //", .message("//")),
    (" /usr/bin/env is missing", .message("/usr/bin/env is missing")), ("\t/quit", .message("/quit")),
    ("\u{A0}/quit", .message("/quit")),
    // Pasted text.
    ("/usr/bin/env:\nno such file", .message("/usr/bin/env:\nno such file")),
    ("/quitter\nx", .message("/quitter\nx")),
    ("/system Be brief.\nBe kind.", .command("/system Be brief.\nBe kind.")),
    ("/system\nBe brief.", .command("/system\nBe brief.")), ("/help\n", .command("/help")),
]

@Test(arguments: lines.indices)
func aLineIsAMessageOrACommand(index: Int) {
    #expect(ChatLine(lines[index].line) == lines[index].meaning)
}
