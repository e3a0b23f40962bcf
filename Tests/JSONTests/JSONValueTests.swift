// SPDX-License-Identifier: Apache-2.0
// Values: access, ordered objects, text form, rows of JSON lines.

import JSON
import TestSupport
import Testing

@Test func accessorsReturnNilForOtherKinds() {
    let value: JSON = ["text": "x", "count": 3, "ratio": 2.0, "flag": true, "list": [1, 2], "none": nil]
    #expect(value["text"]?.stringValue == "x")
    #expect(value["count"]?.doubleValue == 3)
    #expect(value["ratio"]?.intValue == 2)
    #expect(value["flag"]?.boolValue == true)
    #expect(value["list"]?[1] == 2)
    #expect(value["list"]?[2] == nil)
    #expect(value["list"]?[-1] == nil)
    #expect(value["none"]?.isNull == true)
    #expect(value["absent"] == nil)
    #expect(value["text"]?.intValue == nil)
    #expect(JSON.number(0.5).intValue == nil)
    #expect(JSON.number(1e300).intValue == nil)
    #expect(value[0] == nil)
}

@Test func largeObjectsFindEveryKey() {
    var object = JSON.Object()
    for index in 0..<5000 { object["key \(index)"] = .integer(index) }
    for index in stride(from: 0, to: 5000, by: 7) { object["key \(index)"] = .integer(-index) }
    #expect(object.count == 5000)
    for index in 0..<5000 {
        #expect(object["key \(index)"] == .integer(index % 7 == 0 ? -index : index))
    }
    #expect(object["key 5000"] == nil)
    object["key 17"] = nil
    #expect(object.count == 4999)
    #expect(object["key 17"] == nil)
    #expect(object["key 4999"] == 4999)
}

@Test func objectsShrinkBackToNothing() {
    var object: JSON.Object = [:]
    for index in 0..<20 { object["\(index)"] = true }
    for index in 0..<20 { object["\(index)"] = nil }
    #expect(object.isEmpty)
    #expect(object["3"] == nil)
}

@Test func objectsCompareWithoutOrder() {
    #expect(JSON.object(["a": 1, "b": 2]) == JSON.object(["b": 2, "a": 1]))
    #expect(JSON.object(["a": 1]) != JSON.object(["a": 1.0]))
    #expect(JSON.string("\u{E9}") != JSON.string("e\u{301}"))
}

@Test func textIsCompactOrIndented() {
    let value: JSON = ["b": [1, -0.5, nil, true], "a": [:], "c": "\"\\/\n\u{1}é😀"]
    #expect(value.serialized() == #"{"b":[1,-0.5,null,true],"a":{},"c":"\"\\/\n\u0001é😀"}"#)
    #expect(
        JSON.array([["a": 1], []]).serialized(pretty: true) == "[\n  {\n    \"a\": 1\n  },\n  []\n]")
    #expect(
        JSON.string("/é😀").serialized(escapeNonASCII: true, escapeSlashes: true) == #""\/\u00e9\ud83d\ude00""#
    )
}

@Test func nonFiniteNumbersBecomeNull() {
    #expect(JSON.array([.number(.nan), .number(.infinity), 1e300]).serialized() == "[null,null,1e+300]")
}

@Test func everyDoubleReadsBackUnchanged() throws {
    var generator = SeededGenerator(seed: 11)
    for _ in 0..<20_000 {
        let value = Double(bitPattern: generator.next())
        guard value.isFinite else { continue }
        let text = JSON.number(value).serialized()
        #expect(try JSON.parse(text).doubleValue?.bitPattern == value.bitPattern, "\(text)")
    }
}

@Test func linesAreReadOneByOne() throws {
    var rows = JSONLines(Array("{\"a\":1}\n\n  \r\n[2]\r\n3".utf8))
    var seen: [Int] = []
    var values: [JSON] = []
    while let row = try rows.next() {
        seen.append(row.line)
        values.append(row.value)
    }
    #expect(seen == [1, 4, 5])
    #expect(values == [["a": 1], [2], 3])
    var none = JSONLines([])
    #expect(try none.next() == nil)
}

@Test func errorsInLinesNameTheRow() throws {
    var rows = JSONLines(Array("1\n[1,\n2]\n4\n".utf8))
    #expect(try rows.next()?.value == 1)
    let error = #expect(throws: JSONError.self) { try rows.next() }
    #expect(error?.line == 2)
    #expect(error?.column == 4)
    #expect(error?.byteOffset == 5)
    #expect(error?.found == "the end of the text")
    #expect(throws: JSONError.self) { try rows.next() }
    #expect(try rows.next()?.line == 4)
    #expect(try rows.next()?.line == nil)
}
