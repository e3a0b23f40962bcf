// SPDX-License-Identifier: Apache-2.0
// The rules of formats/bundle.md, by number.

extension FormatRule {
    private init(bundle number: Int, _ title: String) {
        self.init(document: "bundle.md", number: number, title: title)
    }

    package static let bundleSeal = Self(bundle: 1, "seal")
    package static let bundleVersion = Self(bundle: 2, "version")
    package static let bundlePlaces = Self(bundle: 3, "places")
    package static let bundlePadding = Self(bundle: 4, "padding")
    package static let bundleText = Self(bundle: 5, "settings text")
    package static let bundleField = Self(bundle: 6, "settings field")
    package static let bundleProgram = Self(bundle: 7, "program digest")
}
