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

    // MARK: - Special tokens

    /// Pieces in angle brackets are not shown.
    private func feedTokens(_ pieces: [String], stops: [String], specialStops: [String]) -> (
        text: String, isStopped: Bool
    ) {
        var matcher = StopMatcher(stops: stops, specialStops: specialStops)
        var shown: [UInt8] = []
        for piece in pieces {
            let (text, isStopped) = matcher.push(piece.utf8, areShown: !piece.hasPrefix("<"))
            shown += text
            if isStopped { return (String(decoding: shown, as: UTF8.self), true) }
        }
        return (String(decoding: shown + matcher.finish(), as: UTF8.self), false)
    }

    @Test(arguments: [
        (["ab", "<x>", "c"], ["<x>"], "ab", true),
        (["ab", "<y>", "c"], ["<x>"], "abc", false),
        (["ab", "\n", "<x>"], ["\n<x>"], "ab", true),
        (["ab", "\n", "c", "<x>"], ["\n<x>"], "ab\nc", false),
        (["ab", "<x>", "cd", "e"], ["<x>cde"], "ab", true),
        (["a", "<x>", "<y>", "b"], ["<x><y>"], "a", true),
        (["zaba", "ba", "<x>"], ["aba<x>"], "zab", true),
        // Written out in text, it is the same.
        (["a", "b<", "x>c"], ["<x>"], "ab", true),
    ])
    func aStopThatNamesATokenIsFoundShownOrNot(
        pieces: [String], stops: [String], text: String, isStopped: Bool
    ) {
        let result = feedTokens(pieces, stops: [], specialStops: stops)
        #expect(result.text == text && result.isStopped == isStopped)
    }

    @Test func otherStopsPassOverWhatIsNotShown() {
        let pieces = ["E", "<x>", "N", "<y>", "D"]
        #expect(feedTokens(pieces, stops: ["END"], specialStops: []).text == "")
        #expect(feedTokens(["aE", "<x>", "ND"], stops: ["END"], specialStops: ["<y>"]).text == "a")
        #expect(feedTokens(["a", "<x>"], stops: ["x"], specialStops: []).isStopped == false)
        // Whichever comes first.
        #expect(feedTokens(["aE", "<x>", "ND"], stops: ["END"], specialStops: ["E<x>"]).text == "a")
        #expect(feedTokens(["aEN", "<x>", "D"], stops: ["END"], specialStops: ["<x>"]).text == "aEN")
    }
}
