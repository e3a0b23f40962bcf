// SPDX-License-Identifier: Apache-2.0
// Templates that try to run for ever, to fill memory or to exhaust the stack, and seeded mutations
// of well-behaved ones: each must end soon with a text or an error.

import ChatTemplates
import JSON
import TestSupport
import Testing

private func fault(_ source: String, _ context: JSON.Object = [:]) -> TemplateError? {
    do throws(TemplateError) {
        _ = try ChatTemplate(source: source).render(context)
        return nil
    } catch {
        return error
    }
}

private func repeated(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

private let hostileTemplates = [
    // Time
    repeated("{% for i in range(100000) %}", 5) + "x" + repeated("{% endfor %}", 5),
    "{% for i in range(100000) %}{{ 'x' * 100000 == 'y' * 100000 }}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x == ns.x }}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
    "{% set s = 'a' * 4000000 %}{% for i in range(99999) %}{{ (s ~ 'b') in s }}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns }}",
    // Memory
    "{{ 'x' * 9999999999 }}",
    "{{ 'xy' * 9223372036854775807 }}",
    "{{ [1] * 99999999999 }}",
    "{{ [1, 2] * 9223372036854775807 }}",
    "{% set ns = namespace(x='abc') %}{% for i in range(90) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(90) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% for i in range(100000) %}" + repeated("x", 1000) + "{% endfor %}",
    "{{ ('x' * 1000000) | replace('x', 'y' * 1000000) }}",
    "{{ ('x' * 1000000) | replace('', 'y' * 1000000) }}",
    "{{ '%99999999999d' % 1 }}",
    "{{ ''.center(99999999999) }}",
    "{{ [[1]] | tojson(indent=9999999999) }}",
    "{{ 'a\nb' | indent(9999999999) }}",
    "{{ ['x'] | batch(9999999999, 1) | list }}",
    "{{ ('\n' * 8000000).splitlines() }}",
    "{{ (' a' * 4000000).split() }}",
    "{{ ('a' * 8000000).split('a') }}",
    "{{ ('\n' * 8000000) | indent }}",
    repeated("{% for i in range(100000) %}", 2) + "{% macro m() %}{% endmacro %}"
        + repeated("{% endfor %}", 2),
    repeated("{% for i in range(100000) %}", 2) + "{% set x = namespace() %}" + repeated("{% endfor %}", 2),
    // Stack
    "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}",
    "{% macro m(x) %}{% if x %}{% for i in [1] %}{% set y %}{{ [(m(x) ~ '') | upper] }}{% endset %}{% endfor %}{% endif %}{% endmacro %}{{ m(1) }}",
    "{% macro m(x=m()) %}{% endmacro %}{{ m() }}",
    "{% macro m() %}{% call m() %}{% endcall %}{% endmacro %}{{ m() }}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{{ " + repeated("(", 5000) + "1" + repeated(")", 5000) + " }}",
    "{{ " + repeated("[", 100_000) + repeated("]", 100_000) + " }}",
    "{{ " + repeated("not ", 50000) + "1 }}",
    "{{ " + repeated("-", 100_000) + "1 }}",
    "{{ x" + repeated(".a", 50000) + " }}",
    "{{ x" + repeated("[0]", 50000) + " }}",
    "{{ x" + repeated("|trim", 30000) + " }}",
    "{{ " + repeated("1 if 1 else ", 10000) + "1 }}",
    "{{ 1" + repeated(" if 1", 30000) + " }}",
    repeated("{% if 1 %}", 20000),
    repeated("{% for i in [1] %}", 10000) + repeated("{% endfor %}", 10000),
    "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}",
    "{% set ns = namespace(x={}) %}{% for i in range(100000) %}{% set ns.x = {'a': ns.x} %}{% endfor %}",
    // Size
    repeated("x", 300_000),
    "{{ " + repeated("x", 300) + " }}",
]

@Test(arguments: hostileTemplates.indices)
func hostileTemplatesMeetALimit(index: Int) {
    let source = hostileTemplates[index]
    #expect(fault(source)?.kind == .limit || fault(source)?.kind == .evaluation, "\(source.prefix(80))")
}

private let longTemplates = [
    // Long, but flat: neither the parser nor the interpreter may recurse over these.
    "{{ 1" + repeated(" + 1", 50000) + " }}",
    "{{ 1" + repeated(" and 1", 30000) + " }}",
    "{{ 1" + repeated(" ~ 1", 50000) + " }}",
    "{{ 1" + repeated(" < 2 > 1", 20000) + " }}",
    "{% if 0 %}" + repeated("{% elif 0 %}", 20000) + "{% endif %}",
    repeated("{{ 1 }}", 30000),
    "{{ [" + repeated("1,", 100_000) + "] | length }}",
    // Chains of references, through namespaces and captured scopes, and circles.
    "{% set ns = namespace(x=none) %}{% for i in range(100000) %}{% set ns.x = namespace(x=ns.x) %}{% endfor %}",
    "{% set ns = namespace(c=none) %}{% for i in range(20000) %}{% set p = ns.c %}{% macro m() %}{{ p }}{% endmacro %}"
        + "{% set ns.c = m %}{% endfor %}",
    "{% set ns = namespace(x=none) %}{% set ns.x = ns %}{% set ns.y = [ns] %}{{ ns }}",
    "{% macro m() %}{% endmacro %}{% set ns = namespace(m=m) %}{% for x in [ns] recursive %}{% set ns.l = loop %}{% endfor %}",
]

@Test(arguments: longTemplates.indices)
func longTemplatesRender(index: Int) {
    let source = longTemplates[index]
    #expect(fault(source) == nil, "\(source.prefix(80))")
}

@Test func deepDataMeetsALimit() {
    var nested: JSON = []
    for _ in 0..<900 { nested = [nested] }
    #expect(fault("{{ x }}", ["x": nested])?.kind == .limit)
}

@Test func limitsCanBeTightened() throws {
    var limits = TemplateLimits()
    limits.stepCount = 100
    limits.outputByteCount = 20
    let template = try ChatTemplate(source: "{% for i in range(n) %}{{ i }},{% endfor %}")
    #expect(try template.render(["n": 3], limits: limits).string == "0,1,2,")
    #expect(throws: TemplateError.self) { try template.render(["n": 50], limits: limits) }
    limits.stepCount = 10000
    let error = #expect(throws: TemplateError.self) { try template.render(["n": 50], limits: limits) }
    #expect(error?.message == "a text of 22 bytes, expected at most 20")
}

private let work = [
    // A long text is read to its end wherever it is a key, a name, a set of characters or a number.
    "m[s]", "m.get(s)", "s in m", "{s: 1}", "m == {s: 1}", "dict(m)", "[s] | unique(true) | list",
    "ns | attr(s)",
    "ns[s]", "[m] | map(attribute=s) | list", "'%(' ~ s ~ ')s' % m", "s % ()", "s | int", "s | float",
    "'x' | trim(s)", "'x'.strip(s)", "s.startswith(s)", "s.endswith((s, s))", "s.removeprefix(s)",
    "'x'.split(s)", "s.isalpha()", "s | title", "s.upper()",
    // Scalars that are escaped, replaced or tested one by one.
    "s | tojson", "s | e", "[s] | string", "s.strip('ba')", "s | trim('ba')", "s.replace('a', '')", "s[3]",
    "strftime_now(s)",
    // Names are looked for among many.
    "f(" + (0..<200).map { "a\($0)=1" }.joined(separator: ", ") + ")",
    "'" + repeated("{a199}", 100) + "'.format(" + (0..<200).map { "a\($0)=1" }.joined(separator: ", ") + ")",
]

@Test(arguments: work.indices)
func workIsPaidFor(index: Int) {
    let parameters = (0..<200).map { "a\($0)" }.joined(separator: ", ")
    let source =
        "{% set s = 'a' * 64000 %}{% set m = {s: 1} %}{% set ns = namespace() %}{% macro f(\(parameters)) %}{% endmacro %}"
        + "{% for i in range(50) %}{% set x = \(work[index]) %}{% endfor %}"
    var limits = TemplateLimits()
    // Each kind of work takes 4000 steps or more, of which 50 rounds alone would take few.
    limits.stepCount = 120_000
    let error = #expect(throws: TemplateError.self, "\(work[index].prefix(80))") {
        try ChatTemplate(source: source).render([:], limits: limits)
    }
    #expect(error?.kind == .limit)
}

@Test func aNameIsPaidForByTheScopesAroundIt() throws {
    func steps(depth: Int) throws -> Int {
        let source =
            repeated("{% with y = 1 %}", depth) + "{% for i in range(100) %}{% set z = x %}{% endfor %}"
            + repeated("{% endwith %}", depth)
        var (low, high) = (0, 1_000_000)
        while high - low > 1 {
            var limits = TemplateLimits()
            limits.stepCount = (low + high) / 2
            let isEnough = (try? ChatTemplate(source: source).render(["x": 1], limits: limits)) != nil
            if isEnough { high = limits.stepCount } else { low = limits.stepCount }
        }
        return high
    }
    #expect(try steps(depth: 50) > steps(depth: 0) + 50 * 100)
}

@Test func mutatedTemplatesNeverTrapOrHang() throws {
    let path = templateFixtures + "/language.jsonl"
    var rows = JSONLines(try #require(SharedData.contents(of: path)))
    var sources: [String] = []
    while let row = try rows.next() { row.value["template"]?.stringValue.map { sources.append($0) } }
    let data = try JSON.parse(try #require(SharedData.contents(of: templateFixtures + "/data.json")))
    let context = try #require(data.objectValue)
    // Fragments that reach deep into the language when they land in the middle of another template.
    let fragments = [
        "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "*", "**", "//", "%", "~", "|", "(", ")", "[", "]", "{",
        "}", ":",
        ",", ".", "'", "\"", "\\", "=", "==", "<", " if ", " else ", " for ", " in ", " is ", " not ",
        " and ", "loop",
        "messages", "mapping", "text", "numbers", "none", "0", "-1", "9223372036854775807", "1e308",
        "range(9)",
        "namespace(a=1)", "{% set x = ", "{% for x in text %}", "{% endfor %}", "{% macro m(x) %}",
        "{% endmacro %}",
        "|tojson", "|sort", "|map('upper')", "|join(',')", ".split(", ".get('a')", "[::-1]", "\n", "\r\n",
        "é", "😀", "\u{0}",
    ]
    var limits = TemplateLimits()
    limits.stepCount = 200_000
    limits.outputByteCount = 1 << 20
    var generator = SeededGenerator(seed: 7)
    var rendered = 0
    for round in 0..<10_000 {
        var scalars = Array(sources[round % sources.count].unicodeScalars)
        for _ in 0...Int(generator.next() % 5) {
            let place = Int(generator.next() % UInt64(scalars.count + 1))
            let end = min(scalars.count, place + Int(generator.next() % 6))
            switch generator.next() % 4 {
            case 0: scalars.removeSubrange(place..<end)
            case 1:
                let other = Array(sources[Int(generator.next() % UInt64(sources.count))].unicodeScalars)
                let start = Int(generator.next() % UInt64(other.count + 1))
                let count = min(other.count - start, Int(generator.next() % 30))
                scalars.insert(contentsOf: other[start..<start + count], at: place)
            default:
                let fragment = fragments[Int(generator.next() % UInt64(fragments.count))]
                scalars.replaceSubrange(place..<end, with: fragment.unicodeScalars)
            }
        }
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        if (try? ChatTemplate(source: String(view)).render(context, limits: limits)) != nil { rendered += 1 }
    }
    print("mutated templates: \(rendered) of 10000 still render")
    #expect(rendered > 0)
}
