// SPDX-License-Identifier: Apache-2.0
// Of every part of a rendered text the engine says whether the template wrote it, whatever was done to it on the way.

import ChatTemplates
import JSON
import Testing

private let context: JSON.Object = [
    "x": "a-B c", "y": "<e>", "n": 7, "list": ["p", "q"], "object": ["k": "v"], "bos_token": "<s>",
    "eos_token": "</s>",
    "messages": [["role": "user", "content": "u"], ["role": "<r>", "content": "v"]],
]

/// The text with what comes from the input in ‹›.
private func marked(_ text: Text) -> String {
    let bytes = Array(text.string.utf8)
    var result = ""
    var start = 0
    func appendInput(upTo end: Int) {
        if end > start { result += "‹" + String(decoding: bytes[start..<end], as: UTF8.self) + "›" }
    }
    for range in text.templateRanges {
        appendInput(upTo: range.lowerBound)
        result += String(decoding: bytes[range], as: UTF8.self)
        start = range.upperBound
    }
    appendInput(upTo: bytes.count)
    return result
}

private let attributions: [(template: String, expected: String)] = [
    ("T{{ x }}T", "T‹a-B c›T"),
    ("{{ bos_token ~ x ~ eos_token }}", "<s>‹a-B c›</s>"),
    ("{{ messages[0].role }}{{ messages[1].role }}{{ messages[0].content }}", "user‹<r>u›"),
    ("{{ missing | default('<s>') }}{{ n }}{{ 1.5 }}{{ true }}{{ none }}", "<s>71.5TrueNone"),
    // Joined
    ("{{ '<' + x + '>' }}", "<‹a-B c›>"),
    ("{{ '<' ~ x ~ n ~ '>' }}", "<‹a-B c›7>"),
    ("{{ list | join('<s>') }}{{ '<s>'.join(list) }}", "‹p›<s>‹qp›<s>‹q›"),
    ("{{ '<' * 2 ~ ('.' ~ list[0]) * 2 ~ list[0] * 2 }}", "<<.‹p›.‹ppp›"),
    ("{{ (list + ['<s>']) | join }}", "‹pq›<s>"),
    // Cut
    ("{{ x[0] }}.{{ x[2:] }}.{{ ('<' + x)[:2] }}.{{ ('<' + x)[::-1] }}", "‹a›.‹B c›.<‹a›.‹c B-a›<"),
    ("{{ x.split('-') | join('+') }}", "‹a›+‹B c›"),
    (
        "{{ x.split()[1] }}{{ x.rsplit(' ', 1) | join('|') }}{{ ('t ' ~ x).rsplit() | join('/') }}",
        "‹ca-B›|‹c›t/‹a-B›/‹c›"
    ),
    ("{{ x.partition('-') | join('|') }}{{ x.rpartition('?') | join('|') }}", "‹a›|‹-›|‹B c›||‹a-B c›"),
    ("{{ ('t\\n' ~ x ~ '\\r\\nt').splitlines() | join('/') }}", "t/‹a-B c›/t"),
    (
        "{{ ('  ' ~ x ~ '  ') | trim }}{{ (' ' ~ x).strip('a ') }}{{ ('t' ~ x ~ ' ').rstrip() }}",
        "‹a-B c-B c›t‹a-B c›"
    ),
    ("{{ x.removeprefix('a') }}.{{ ('t' ~ x).removesuffix(' c') }}", "‹-B c›.t‹a-B›"),
    ("{% for c in 'T' ~ y %}{{ c }}.{% endfor %}{{ x | list | first }}{{ x | first }}", "T.‹<›.‹e›.‹>›.‹aa›"),
    // Changed
    ("{{ x | replace('-', '<s>') }}{{ 'T-T'.replace('-', x) }}", "‹a›<s>‹B c›T‹a-B c›T"),
    ("{{ ('t' ~ list[0]).replace('', '.') }}{{ 'aa'.replace('a', list[0], 1) }}", ".t.‹p›.‹p›a"),
    ("{{ ('t' ~ x) | upper }}{{ ('T' ~ x).lower() }}{{ ('t' ~ x).swapcase() }}", "T‹A-B C›t‹a-b c›T‹A-b C›"),
    (
        "{{ ('t ' ~ x).title() }}{{ ('t ' ~ x) | title }}{{ (x ~ 'T') | capitalize }}",
        "T ‹A-B C›T ‹A-B CA-b c›t"
    ),
    ("{{ ('t' ~ x) | reverse }}{{ list[0].center(3, '*') }}{{ x.zfill(7) }}", "‹c B-a›t*‹p›*00‹a-B c›"),
    ("{{ ('t\\n' ~ x) | indent(2, true) }}", "  t\n  ‹a-B c›"),
    ("{{ ('<' ~ y) | e }}{{ y | safe ~ '<' }}{{ (y | e) + '<' }}", "&lt;‹&lt;e&gt;<e>›<‹&lt;e&gt;›&lt;"),
    ("{{ '%s-%5s|%d|%.1s' % (x, y, n, x) }}{{ '%r' | format(y) }}", "‹a-B c›-  ‹<e>›|7|‹a'<e>'›"),
    ("{{ '[{}|{k}]'.format(x, k=y) }}{{ (x ~ '%s') | format('<s>') }}", "[‹a-B c›|‹<e>›]‹a-B c›<s>"),
    ("{{ object | tojson }}", "‹{\"k\": \"v\"}›"),
    ("{{ {'<s>': x, 'n': 1} | tojson }}", "‹{\"›<s>‹\": \"a-B c\", \"›n‹\": 1}›"),
    ("{{ [x, '<s>', none] }}{{ (1,) }}", "‹['a-B c', '›<s>‹', None](1,)›"),
    ("{{ strftime_now(y) }}{{ strftime_now('<%%>') }}", "‹<e>›<%>"),
    // Kept, passed on, chosen
    ("{% for k in dict(**{x: 1}) %}{{ k }}{% endfor %}{{ dict(t=1) | join }}", "‹a-B c›t"),
    ("{% macro m() %}{{ kwargs | join }}{% endmacro %}{{ m(**{x: 1, 't': 2}) }}", "‹a-B c›t"),
    ("{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m(x) | upper }}", "[‹A-B C›]"),
    ("{% macro w() %}<{{ caller() }}>{% endmacro %}{% call w() %}i{{ y }}{% endcall %}", "<i‹<e>›>"),
    ("{% set v %}<{{ x }}>{% endset %}{{ v | replace('-', '+') }}", "<‹a›+‹B c›>"),
    ("{% filter upper %}t{{ x }}{% endfilter %}", "T‹A-B C›"),
    ("{% set ns = namespace(t='<') %}{% set ns.t = ns.t ~ x %}{{ ns.t }}", "<‹a-B c›"),
    ("{{ {'a-B c': '<s>'}[x] }}{{ '<s>' if x == 'a-B c' }}{{ x if x in ['a-B c'] }}", "<s><s>‹a-B c›"),
    (
        "{{ object.items() | map('join', '=') | join(',') }}{{ list | map('upper') | sort | join }}",
        "‹k›=‹vPQ›"
    ),
    ("{{ (['<s>'] + list) | sort | join('.') }}{{ (['<s>'] + list) | max }}", "<s>.‹p›.‹qq›"),
]

@Test(arguments: attributions.indices)
func everyPartIsAttributedToWhoWroteIt(index: Int) throws {
    let (template, expected) = attributions[index]
    let text = try ChatTemplate(source: template).render(context)
    #expect(marked(text) == expected, "\(template)")
}

@Test func aTextOfManyPartsIsAssembledInLinearTime() throws {
    let template = try ChatTemplate(source: "{% for c in x %}{{ c }}.{% endfor %}")
    let length = 200_000
    let text = try template.render(["x": .string(String(repeating: "ä", count: length))])
    #expect(text.string.utf8.count == 3 * length)
    #expect(text.templateRanges.count == length)
    #expect(
        text.templateRanges.enumerated().allSatisfy { $0.element == 3 * $0.offset + 2..<3 * $0.offset + 3 })
}
