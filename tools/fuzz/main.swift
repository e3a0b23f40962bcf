// SPDX-License-Identifier: Apache-2.0
// Hostile input without end: libFuzzer mutates what readers are given and keeps whatever reaches new code. An error is
// the right answer to most of it; a trap, a bad access, a long time or much memory is a finding.
//
// Started by tools/check/fuzz: the variable TILLER_FUZZ_READER names the reader, "list" lists all of them, and
// TILLER_FUZZ_SEEDS names a folder into which the reader's valid inputs are written. All else is libFuzzer's.

import Commands
import Glibc

/// libFuzzer's loop (FuzzerInterface.h); `main` stays ours.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

private func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

let readers = modelReaders + containerReaders + textReaders
let readerName = variable("TILLER_FUZZ_READER") ?? ""
if readerName == "list" {
    for reader in readers { print(reader.name) }
    exit(0)
}
let reader = known(readerName)

private func known(_ name: String) -> Reader {
    if let reader = readers.first(where: { $0.name == name }) { return reader }
    writeError("Fuzz: no reader '\(name)'")
    exit(2)
}

if let folder = variable("TILLER_FUZZ_SEEDS") {
    do {
        for (index, seed) in try reader.seeds().enumerated() {
            writeFile(seed, to: "\(folder)/seed-\(index)")
        }
    } catch {
        writeError("Fuzz: no seeds for \(reader.name): \(error)")
        exit(1)
    }
    exit(0)
}
atexit { writeError("longest: \(Int(longestTime * 1000)) ms") }
var argumentCount = CommandLine.argc
var arguments = CommandLine.unsafeArgv
exit(
    runDriver(&argumentCount, &arguments) { start, count in
        reader.read(Array(UnsafeBufferPointer(start: start, count: count)))
        return 0
    })
