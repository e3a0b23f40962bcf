// SPDX-License-Identifier: Apache-2.0

import Testing

import Tiller

@Suite struct StopMatcherTests {
    private func feed(_ pieces: [String], stops: [String]) -> (text: String, isStopped: Bool) {
        var matcher = StopMatcher(stops: stops)
        var shown: [UInt8] = []
        for piece in pieces {
            let (text, isStopped) = matcher.push(piece.utf8)
            shown += text
            if isStopped { return (String(decoding: shown, as: UTF8.self), true) }
        }
        shown += matcher.finish()
        return (String(decoding: shown, as: UTF8.self), false)
    }

    @Test func aStopStringAcrossTokensIsCutOff() {
        let result = feed(["one ", "tw", "o E", "N", "D more"], stops: ["END"])
        #expect(result.text == "one two ")
        #expect(result.isStopped)
    }

    @Test func whatOnlyBeginsLikeAStopStringIsShown() {
        let result = feed(["EN", "ENE", "N"], stops: ["END"])
        #expect(result.text == "ENENEN")
        #expect(!result.isStopped)
    }

    @Test func theFirstOfSeveralStopStringsWins() {
        #expect(feed(["abcXYdefZ"], stops: ["Z", "XY"]).text == "abc")
    }

    @Test func aStopStringOfSeveralBytesPerCharacterIsFoundByteByByte() {
        var matcher = StopMatcher(stops: ["。"])
        var shown: [UInt8] = []
        var stopped = false
        for byte in "日本。語".utf8 where !stopped {
            let step = matcher.push(CollectionOfOne(byte))
            shown += step.text
            stopped = step.isStopped
        }
        #expect(String(decoding: shown, as: UTF8.self) == "日本")
        #expect(stopped)
    }

    @Test func emptyStopStringsNeverStop() {
        #expect(feed(["a", "b"], stops: [""]).text == "ab")
    }

    @Test func everySplitOfATextGivesTheSame() {
        let text = Array("a<|x|>b<|end|>c".utf8)
        for cut in 0...text.count {
            var matcher = StopMatcher(stops: ["<|end|>"])
            let first = matcher.push(text[..<cut])
            var shown = first.text
            if !first.isStopped { shown += matcher.push(text[cut...]).text }
            #expect(String(decoding: shown, as: UTF8.self) == "a<|x|>b")
        }
    }
}
