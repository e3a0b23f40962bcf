// SPDX-License-Identifier: Apache-2.0
// What is shown of an operation, and when, with a clock of its own.

import Platform
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

    private enum Phase { case read, think, write, check }

    private func wholeOfFour() -> PhasedProgress<Phase> {
        PhasedProgress([
            .init(.read, weight: 10, total: 5, mayBeLeftOut: true), .init(.think, weight: 60, total: 10),
            .init(.write, weight: 20), .init(.check, weight: 10, total: 2, mayBeLeftOut: true),
        ])
    }

    @Test func phasesMakeOneWholeByTheirWeights() {
        var whole = wholeOfFour()
        for (phase, done, total, expected) in [
            (Phase.read, 0, 5, 0.0), (.read, 5, 5, 0.1), (.think, 5, 10, 0.4), (.write, 0, 90_000, 0.4),
            (.think, 10, 10, 0.7), (.write, 90_000, 90_000, 0.9), (.check, 1, 2, 0.95), (.check, 2, 2, 1),
        ] {
            whole.update(phase, done: done, total: total)
            #expect(abs(whole.fraction - expected) < 1e-12, "\(phase) \(done)")
        }
    }

    @Test func aPhaseThatIsNotNeededTakesNoShare() {
        var whole = wholeOfFour()
        whole.update(.think, done: 0, total: 10)
        #expect(whole.fraction == 0)
        whole.update(.think, done: 5, total: 10)
        #expect(abs(whole.fraction - 30 / 90) < 1e-12)
    }

    @Test func theWholeNeverGoesBackAndEndsAtOne() {
        var generator = SplitMix64(seed: 5)
        for _ in 0..<200 {
            var whole = wholeOfFour()
            var last = 0.0
            for phase in [Phase.read, .think, .write, .check]
            where phase != .read || Bool.random(using: &generator) {
                // More steps than expected, and reports that go back.
                let total = Int.random(in: 1...40, using: &generator)
                for done in (0..<total).map({ $0 - Int.random(in: 0...3, using: &generator) }) + [total] {
                    whole.update(phase, done: done, total: total)
                    #expect(whole.fraction >= last && whole.fraction <= 1)
                    last = whole.fraction
                }
            }
            #expect(abs(last - 1) < 1e-12)
        }
    }

    @Test func anOperationOfPhasesIsOneLineThatEndsWithItsOwnAmount() {
        let stage = Stage()
        let bar = stage.bar(total: 1, isTerminal: true, unit: .bytes)
        for (name, step, overall) in [("read", 1, 0.1), ("read", 2, 0.25), ("write", 1, 0.5)] {
            stage.time += 10
            bar.update(ProgressLine.Phase(name, done: step, total: 2, unit: .items, overall: overall))
        }
        #expect(stage.output.contains("25 %  read 2/2  1:00 left"))
        #expect(stage.output.contains("50 %  write 1/2  30 s left"))
        bar.finish(total: 96_600_000)
        #expect(stage.output.hasSuffix("100 %  96.6 MB/96.6 MB  30 s\u{1B}[K\n"))
        #expect(stage.output.filter { $0 == "\n" }.count == 1)
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
