// SPDX-License-Identifier: Apache-2.0
// Reading: values, numbers, strings, and the position and wording of errors.

import JSON
import Testing

@Test func readsEveryKindOfValue() throws {
    let text = #" { "a" : [ null , true , false , -12 , 0.5 , "x" , { } , [ ] ] } "#
    let expected: JSON = ["a": [nil, true, false, -12, 0.5, "x", [:], []]]
    #expect(try JSON.parse(text) == expected)
}

@Test func keepsIntegersThatFitAndRoundsOthers() throws {
    #expect(try JSON.parse("9223372036854775807") == .integer(.max))
    #expect(try JSON.parse("-9223372036854775808") == .integer(.min))
    #expect(try JSON.parse("9223372036854775808") == .number(0x1p63))
    #expect(try JSON.parse("-9223372036854775809") == .number(-0x1p63))
    #expect(try JSON.parse("18446744073709551616") == .number(0x1p64))
    #expect(try JSON.parse("-0") == .integer(0))
    #expect(try JSON.parse("1e0") == .number(1))
}

@Test(arguments: [
    "0.1", "-0.1", "1e22", "1e23", "123456789012345678", "9007199254740993.0", "2.2250738585072011e-308",
    "4.9406564584124654e-324", "1.7976931348623157e308", "0.30000000000000004", "1e-400", "8.5e-22",
    "123456789012345678901234567890.5e-10", "9007199254740992e22", "3.14159265358979323846264338327950288",
])
func roundsDoublesLikeTheStandardLibrary(literal: String) throws {
    let value = try #require(try JSON.parse(literal).doubleValue)
    #expect(value.bitPattern == Double(literal)?.bitPattern)
}

@Test func negativeZeroKeepsItsSignAsADouble() throws {
    #expect(try JSON.parse("-0.0").doubleValue?.sign == .minus)
}

@Test func decodesEscapesAndSurrogatePairs() throws {
    let text = #""\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83D\uDE00\u0000""#
    #expect(try JSON.parse(text).stringValue == "\"\\/\u{8}\u{C}\n\r\tAé€😀\0")
}

@Test func objectsKeepTheirOrderAndTheLastOfEqualKeys() throws {
    let object = try #require(try JSON.parse(#"{"b":1,"a":2,"b":3}"#).objectValue)
    #expect(object.keys == ["b", "a"])
    #expect(object.values == [3, 2])
}

@Test func canonicallyEquivalentKeysStayDistinct() throws {
    let object = try #require(try JSON.parse(#"{"\u00e9":1,"e\u0301":2}"#).objectValue)
    #expect(object.count == 2)
    #expect(object["\u{E9}"] == 1)
    #expect(object["e\u{301}"] == 2)
}

@Test func aByteOrderMarkIsSkipped() throws {
    #expect(try JSON.parse([0xEF, 0xBB, 0xBF, 0x31]) == 1)
}

/// Text, byte offset, line, column, found, expected.
private let faults: [(String, Int, Int, Int, String, String)] = [
    ("", 0, 1, 1, "the end of the text", "a value"),
    ("[1,\n  x]", 6, 2, 3, "'x'", "a value"),
    ("[1 2]", 3, 1, 4, "'2'", "',' or ']'"),
    ("{\"a\" 1}", 5, 1, 6, "'1'", "':'"),
    ("{a:1}", 1, 1, 2, "'a'", "a key in quotes or '}'"),
    ("{\"é\":tru}", 9, 1, 9, "'}'", "'true'"),
    ("01", 1, 1, 2, "'1'", "no digit after a leading 0"),
    ("-", 1, 1, 2, "the end of the text", "a digit"),
    ("1 1", 2, 1, 3, "'1'", "nothing after the value"),
    ("\"a\nb\"", 2, 1, 3, "the end of the line", "control characters only as escapes"),
    ("\"\\x\"", 2, 1, 3, "'x'", "one of \"\\/bfnrtu after a backslash"),
    ("\"\\ud800\"", 1, 1, 2, "half of a surrogate pair", "both halves of a surrogate pair"),
    ("[1e999]", 1, 1, 2, "1e999", "a number within ±1.7976931348623157e+308"),
]

@Test(arguments: faults.indices)
func errorsSayWhatWasFoundAndWhere(index: Int) {
    let (text, offset, line, column, found, expected) = faults[index]
    let error = #expect(throws: JSONError.self) { try JSON.parse(text) }
    #expect(error?.byteOffset == offset)
    #expect(error?.line == line)
    #expect(error?.column == column)
    #expect(error?.found == found)
    #expect(error?.expected == expected)
}

@Test func invalidUTF8IsLocated() {
    let error = #expect(throws: JSONError.self) { try JSON.parse([0x22, 0xC3, 0xA9, 0xFF, 0x22]) }
    #expect(error?.byteOffset == 3)
    #expect(error?.description == "line 1, column 3 (byte 3): found byte 0xFF, expected UTF-8")
}

@Test func depthIsLimited() throws {
    let nested = { (depth: Int) in
        String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    #expect(throws: Never.self) { try JSON.parse(nested(128)) }
    let error = #expect(throws: JSONError.self) { try JSON.parse(nested(129)) }
    #expect(error?.byteOffset == 128)
    #expect(throws: Never.self) { try JSON.parse(nested(1024), maximumDepth: 1024) }
    #expect(throws: JSONError.self) { try JSON.parse(nested(2), maximumDepth: 1) }
}

@Test func duplicateKeysCanBeRefused() {
    let error = #expect(throws: JSONError.self) {
        try JSON.parse(#"{"a":1,"a":2}"#, duplicateKeys: .refused)
    }
    #expect(error?.byteOffset == 7)
    #expect(error?.found == "\"a\" again")
}

/// Values of all levels count, so that memory stays in proportion whatever they nest in.
@Test(arguments: ["[0,[1],{\"a\":null}]", "[[],[],[],[],[]]", "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":[]}"])
func textsOfTooManyValuesAreRefused(text: String) throws {
    _ = try JSON.parse(text, maximumCount: 6)
    let error = #expect(throws: JSONError.self) { try JSON.parse(text, maximumCount: 5) }
    #expect(error?.found == "one more value" && error?.expected == "at most 5 values")
}
