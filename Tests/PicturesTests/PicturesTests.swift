// SPDX-License-Identifier: Apache-2.0
// Pictures are well-formed text, and their scales are round.

import Pictures
import Testing

@Suite struct PicturesTests {
    /// Every element is closed, and no text opens one.
    private func isWellFormed(_ document: String) -> Bool {
        var open: [Substring] = []
        for part in document.split(separator: "<").dropFirst(document.hasPrefix("<") ? 0 : 1) {
            guard let end = part.firstIndex(of: ">") else { return false }
            let tag = part[..<end]
            let name = tag.prefix { $0 != " " && $0 != "/" }
            if tag.hasPrefix("/") {
                guard open.popLast() == tag.dropFirst() else { return false }
            } else if !tag.hasSuffix("/") {
                open.append(name)
            }
        }
        return open.isEmpty
    }

    @Test func aChartIsWellFormedWhateverItShows() {
        var chart = LineChart(
            title: "a < b & \"c\"", xLabel: "x", yLabel: "y",
            series: [
                .init(
                    "one", points: [(-1, 0.5), (0, 0), (1, 2)], intervals: [0...1, -0.5...0.5, 1...3],
                    marker: .circle),
                .init("two", points: [(0, .nan), (1, .infinity)], marker: .triangle, dash: .dashed),
            ])
        chart.xMarks = [(0.3, "here")]
        chart.yMarks = [(0.1, "budget")]
        var svg = SVG(width: 400, height: 300, title: "t")
        chart.draw(into: &svg, x: 0, y: 0, width: 400, height: 300)
        svg.marker(.square, at: (1, 1))
        #expect(isWellFormed(svg.document))
        #expect(svg.document.contains("a &lt; b &amp; &quot;c&quot;"))
        #expect(!svg.document.contains("nan") && !svg.document.contains("inf\""))
        var empty = SVG(width: 10, height: 10, title: "")
        LineChart(title: "", xLabel: "", yLabel: "", series: []).draw(
            into: &empty, x: 0, y: 0, width: 200, height: 200)
        #expect(isWellFormed(empty.document))
    }

    @Test func scalesAreRoundAndHoldTheirValues() {
        for values in [[0.0, 1], [-0.013, 0.07], [3, 3], [1e-9, 2e-9], [-1e6, 1], [.nan, 4, 7], []] {
            let scale = Scale(values)
            for value in values where value.isFinite {
                let rounding = abs(value) * 1e-12
                #expect(scale.low <= value + rounding && value <= scale.high + rounding)
            }
            #expect((2...14).contains(scale.ticks.count))
            #expect(scale.share(scale.low) == 0 && scale.share(scale.high) == 1)
        }
        #expect(Scale([0, 0.4]).ticks.map(Scale([0, 0.4]).text) == ["0", "0.1", "0.2", "0.3", "0.4"])
    }

    @Test(arguments: [
        (0.0, "0"), (-0.5, "-0.5"), (1.005, "1"), (12.3456, "12.35"), (.nan, "0"), (-0.001, "0"),
    ])
    func numbersAreShort(value: Double, text: String) {
        #expect(decimal(value, digits: 2) == text)
    }
}
