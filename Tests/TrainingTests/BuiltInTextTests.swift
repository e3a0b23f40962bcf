// SPDX-License-Identifier: Apache-2.0
// The built-in texts as bytes: one other word calibrates every model to other codes, and no other test would notice.

import Conversion
import Formats
import Testing
import Training

@Suite struct BuiltInTextTests {
    private func digest(_ texts: [String]) -> String {
        "\(SHA256.digest(of: texts.joined(separator: "\u{0}").utf8))"
    }

    @Test func calibrationReadsTheSameText() {
        #expect(
            digest(CalibrationText.passages)
                == "a44170a9c241b4d5c9bdaa6ba3f360e839f90dca8b957042a30e254fd518d69a")
        let messages = CalibrationText.conversations.flatMap { $0.flatMap { [$0.role, $0.text] } }
        #expect(digest(messages) == "a5342f3ac5b1260fe1c9d8f4a577c8c8febfe76017ac09835cf548510826e821")
    }

    @Test func measurementsReadTheSameText() {
        #expect(
            digest(MeasurementText.passages)
                == "db32c96ebbe9fae95101297ea0d330391d320e36eeccfb5d7e4aca7d64be9c47")
        #expect(
            digest(NeutralText.choosing.passages)
                == "a977be0489f96f169fd8de5f60fe48361047aa7ad9062a575e2fa1fe77d57ef6")
        #expect(
            digest(NeutralText.measuring.passages)
                == "70f0c9bd94eda22539efe1f86a7416047ed5ef211926f356a266d78c63b19e48")
    }
}
