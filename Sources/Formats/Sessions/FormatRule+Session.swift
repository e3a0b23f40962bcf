// SPDX-License-Identifier: Apache-2.0
// The rules of formats/session.md, by number.

extension FormatRule {
    private init(session number: Int, _ title: String) {
        self.init(document: "session.md", number: number, title: title)
    }

    package static let sessionMagic = Self(session: 1, "magic")
    package static let sessionVersion = Self(session: 2, "version")
    package static let sessionSize = Self(session: 3, "sizes")
    package static let sessionDigest = Self(session: 4, "digest")
    package static let sessionPadding = Self(session: 5, "padding")
    package static let sessionText = Self(session: 6, "conversation")
    package static let sessionToken = Self(session: 7, "tokens")
    package static let sessionNumbers = Self(session: 8, "numbers")
}
