// SPDX-License-Identifier: Apache-2.0
// What Jinja makes of the same templates and data, byte for byte. The expected texts come from
// tools/golden/templates.py.

import ChatTemplates
import JSON
import TestSupport
import Testing

/// The expected outputs.
let templateFixtures = packageRoot + "/Tests/Fixtures/templates"

/// The date that the expected texts show.
private let date = TemplateDate(year: 2024, month: 7, day: 26, hour: 15, minute: 4, second: 5)

private func fixture(_ name: String) throws -> [UInt8] {
    try #require(SharedData.contents(of: "\(templateFixtures)/\(name)"))
}

/// The text, or nil if the template or the data is refused.
private func render(_ source: String, _ context: JSON.Object) -> String? {
    (try? ChatTemplate(source: source).render(context, now: date))?.string
}

@Test func everyFeatureOfTheLanguageRendersAsInJinja() throws {
    let data = try #require(try JSON.parse(try fixture("data.json")).objectValue)
    var rows = JSONLines(try fixture("language.jsonl"))
    var count = 0
    while let row = try rows.next() {
        let name = try #require(row.value["name"]?.stringValue)
        let template = try #require(row.value["template"]?.stringValue)
        let expected = row.value["output"]?.stringValue
        var actual: String?
        var failure = ""
        do throws(TemplateError) {
            actual = try ChatTemplate(source: template).render(data, now: date).string
        } catch {
            failure = error.description
            #expect(error.line > 0 || error.kind == .raised, "\(name): \(failure)")
        }
        let isEqual = actual.map { Array($0.utf8) } == expected.map { Array($0.utf8) }
        #expect(
            isEqual,
            "\(name): \(template)\n  expected \(expected.debugDescription)\n  got \(actual.debugDescription) \(failure)"
        )
        count += 1
    }
    #expect(count > 500)
}

@Test func publishedTemplatesRenderAsInTransformers() throws {
    let folder = SharedData.root + "/templates"
    guard !SharedData.fileNames(in: folder).isEmpty else {
        print("skipped: no published chat templates at \(folder)")
        return
    }
    let contexts = try #require(try JSON.parse(try fixture("contexts.json")).objectValue)
    var (agreed, refused) = (0, 0)
    for line in String(decoding: try fixture("published.tsv"), as: UTF8.self).split(separator: "\n") {
        let fields = line.split(separator: "\t").map { String($0) }
        let (template, name, expected) = (fields[0], fields[1], fields[2])
        guard let bytes = SharedData.contents(of: "\(folder)/\(template)") else {
            print("skipped: \(template) is absent")
            continue
        }
        let context = try contexts[name]?.objectValue ?? sharedContext(name, folder)
        let text = render(String(decoding: bytes, as: UTF8.self), context)
        let actual = text.map(hash) ?? "error"
        #expect(actual == expected, "\(template) with \(name)")
        if actual == expected { agreed += 1 }
        if actual == expected, text == nil { refused += 1 }
    }
    print("published templates: \(agreed) renderings agree, \(refused) of them refused by both")
    #expect(agreed > 0)
}

/// A conversation from the shared folder, completed as transformers does.
private func sharedContext(_ name: String, _ folder: String) throws -> JSON.Object {
    let path = "\(folder)/contexts/\(name.split(separator: "/").last ?? "")"
    let bytes = try #require(SharedData.contents(of: path))
    var context: JSON.Object = ["tools": nil, "documents": nil]
    for member in try #require(try JSON.parse(bytes).objectValue) { context[member.key] = member.value }
    return context
}

/// FNV-1a, 64 bits, in hexadecimal.
private func hash(_ text: String) -> String {
    var state: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
    let digits = String(state, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
}
