// SPDX-License-Identifier: Apache-2.0
// What is shown of an operation, and when, with a clock of its own.

import Terminal
import Testing

@Suite struct ProgressTests {
    /// A display whose time and output the test holds.
    private final class Stage {
        var time = 100.0
        var output = ""
        func bar(total: Int, isTerminal: Bool, unit: ProgressUnit = .items) -> ProgressBar {
            ProgressBar(
                label: "work", total: total, unit: unit, isTerminal: isTerminal, now: { self.time },
                emit: { self.output += $0 })
        }
    }

    @Test func aLineHasBarPercentAmountAndTime() {
        var line = ProgressLine(label: "convert", total: 4_000_000_000, unit: .bytes)
        line.done = 1_000_000_000
        line.elapsed = 65
        #expect(
            line.rendered(width: 70)
                == "convert  ███████░░░░░░░░░░░░░░░░░░░░░░  25 %  1.0 GB/4.0 GB  3:15 left")
        #expect(displayWidth(of: line.rendered(width: 70)) <= 70)
        #expect(line.plain == "convert  25 %  1.0 GB/4.0 GB  3:15 left")
        for width in 0..<120 { #expect(displayWidth(of: line.rendered(width: width)) <= max(width, 2)) }
    }

    @Test func oddNumbersAreShownSafely() {
        var line = ProgressLine(label: "x", total: 0, unit: .items)
        #expect(line.plain.hasPrefix("x  100 %"))
        line.total = 3
        for done in [-5, 7, .max, .min] {
            line.done = done
            line.elapsed = 1e300
            #expect((0...1).contains(line.fraction))
            #expect(!line.rendered(width: 80).isEmpty)
        }
        #expect(ProgressLine.duration(7200 + 30) == "2:00:30")
        #expect(ProgressLine.duration(.infinity) == ProgressLine.duration(1e9))
    }

    @Test func aTerminalIsRedrawnAtMostTenTimesASecond() {
        let stage = Stage()
        let bar = stage.bar(total: 1000, isTerminal: true)
        for step in 1...1000 {
            stage.time += 0.001
            bar.update(step)
        }
        bar.finish()
        let drawings = stage.output.split(separator: "\r").count
        #expect((9...12).contains(drawings))
        #expect(stage.output.hasSuffix("100 %  1000/1000  1 s\u{1B}[K\n"))
        bar.update(5)
        bar.finish()
        #expect(stage.output.filter { $0 == "\n" }.count == 1)
    }

    @Test func aLogGetsFewLines() {
        let stage = Stage()
        let bar = stage.bar(total: 100, isTerminal: false)
        for step in 1...100 {
            stage.time += 1
            bar.update(step)
        }
        bar.finish()
        #expect((10...12).contains(stage.output.split(separator: "\n").count))
        #expect(!stage.output.contains("\r"))
    }

    @Test func aShortOperationLeavesNothingInALog() {
        let stage = Stage()
        let bar = stage.bar(total: 2, isTerminal: false)
        bar.update(1)
        bar.update(2)
        bar.finish()
        #expect(stage.output == "")
    }

    @Test func anOperationThatFailsEndsItsLine() {
        let stage = Stage()
        do {
            let bar = stage.bar(total: 2, isTerminal: true)
            bar.update(1, total: 4)
            #expect(stage.output.contains("25 %"))
        }
        #expect(stage.output.hasSuffix("\n"))
    }
}
