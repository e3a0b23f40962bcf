// SPDX-License-Identifier: Apache-2.0
// Hostile input: the JSON parsing test suite where it is present, and seeded mutations.

import Glibc
import JSON
import TestSupport
import Testing

@Test func agreesWithTheParsingTestSuite() throws {
    let folder = SharedData.root + "/json-parsing"
    let names = SharedData.fileNames(in: folder)
    guard !names.isEmpty else {
        print("skipped: no JSON parsing test suite at \(folder)")
        return
    }
    for name in names {
        let bytes = try #require(SharedData.contents(of: "\(folder)/\(name)"))
        let value = try? JSON.parse(bytes)
        if name.hasPrefix("y_") { #expect(value != nil, "\(name) is valid") }
        if name.hasPrefix("n_") { #expect(value == nil, "\(name) is not valid") }
        // What is read must survive being written and read again.
        if let value { #expect(try JSON.parse(value.serialized()) == value, "\(name)") }
    }
}

@Test func mutatedTextsNeverTrap() {
    let seeds = [
        #"{"model":{"layers":[1,2.5e-3,-7],"name":"a\u00e9\ud83d\ude00\n"},"on":true,"off":null}"#,
        #"[[[[{"a":[{}]}]]],"é€😀",1e308,-0.0,12345678901234567890]"#,
    ]
    let alphabet = Array("{}[]\",:\\u09eE+-.tfn \n\u{0}".utf8) + [0x80, 0xC3, 0xED, 0xF4, 0xFF]
    var generator = SeededGenerator(seed: 42)
    var validCount = 0
    for round in 0..<20_000 {
        var bytes = Array(seeds[round % seeds.count].utf8)
        for _ in 0...Int(generator.next() % 4) {
            let place = Int(generator.next() % UInt64(bytes.count))
            switch generator.next() % 4 {
            case 0: bytes[place] = alphabet.randomElement(using: &generator) ?? 0
            case 1: bytes.insert(alphabet.randomElement(using: &generator) ?? 0, at: place)
            case 2 where bytes.count > 1: bytes.remove(at: place)
            default: bytes.removeSubrange((place + 1)...)
            }
        }
        do throws(JSONError) {
            let value = try JSON.parse(bytes)
            validCount += 1
            #expect((try? JSON.parse(value.serialized())) == value)
            #expect((try? JSON.parse(value.serialized(pretty: true, escapeNonASCII: true))) == value)
        } catch {
            #expect(error.byteOffset <= bytes.count && error.line >= 1 && error.column >= 1)
        }
    }
    #expect(validCount > 0)
}

@Test func readsFastEnoughForVocabularies() throws {
    var text = "{\"vocabulary\":{"
    for index in 0..<100_000 { text += "\(index == 0 ? "" : ",")\"token \(index)\":\(index)" }
    text += "},\"rows\":["
    for index in 0..<20_000 {
        text += "\(index == 0 ? "" : ",")"
        text +=
            "{\"prompt\":\"A question with some words in it?\",\"answer\":\"é and \\n more\",\"score\":0.\(index)}"
    }
    let bytes = Array((text + "]}").utf8)
    // Time of this process on the processor: other processes do not count.
    let start = clock()
    let value = try JSON.parse(bytes)
    let seconds = Double(clock() - start) / Double(CLOCKS_PER_SEC)
    #expect(value["rows"]?.arrayValue?.count == 20_000)
    print("JSON: \(bytes.count) bytes at \(Int(Double(bytes.count) / seconds / 1e6)) MB/s")
}
