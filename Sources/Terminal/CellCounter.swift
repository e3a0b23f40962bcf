// SPDX-License-Identifier: Apache-2.0
// Counts the terminal cells of a growing text. The cells of a scalar depend on the scalars before it: two regional
// indicators are one flag, a joiner absorbs the emoji after it, and a consonant after a virama forms one cluster with the
// consonant before. The rules are those of PyPI's wcwidth (its `wcswidth`), with which most terminals agree.

/// Counts the cells of a text while it is appended to.
package struct CellCounter {
    /// Cells so far.
    package var width: Int { total + (hasOpenConjunct ? 1 : 0) }

    private var total = 0
    /// The last scalar with its own cells, until a mark or a selector has changed its width.
    private var base: ScalarWidth?
    /// Whether the last counted scalar may have a skin tone.
    private var takesModifier = false
    /// Regional indicators immediately before; each second one completes a flag.
    private var indicatorCount = 0
    private var isAfterVirama = false
    /// Consonants that a virama joins take one more cell in total, which a following vowel sign can take over.
    private var hasOpenConjunct = false
    private var isAfterJoiner = false

    package init() {}

    package mutating func add(_ text: some StringProtocol) {
        for scalar in text.unicodeScalars { add(scalar) }
    }

    package mutating func add(_ character: Character) {
        for scalar in character.unicodeScalars { add(scalar) }
    }

    /// The width after another character.
    package func width(adding character: Character) -> Int {
        var longer = self
        longer.add(character)
        return longer.width
    }

    package mutating func add(_ scalar: Unicode.Scalar) {
        let isIndicator = (0x1F1E6...0x1F1FF).contains(scalar.value)
        defer { indicatorCount = isIndicator ? indicatorCount + 1 : 0 }
        if isAfterJoiner {
            isAfterJoiner = false
            return
        }
        switch scalar.value {
        case 0x20..<0x7F:
            count(ScalarWidth(scalar))
        case 0x200D:  // Zero width joiner; after a virama it selects a form and joins nothing.
            isAfterJoiner = !isAfterVirama
        case 0xFE0F where base != nil:  // Emoji presentation.
            if base?.isWidenedBySelector == true { total += 1 }
            base = nil
        case _ where isIndicator && indicatorCount % 2 == 1:
            takesModifier = true
        case 0x1F3FB...0x1F3FF where takesModifier:  // Skin tones.
            break
        default:
            count(ScalarWidth(scalar))
        }
    }

    private mutating func count(_ scalar: ScalarWidth) {
        if isAfterVirama, scalar.isConsonant {
            hasOpenConjunct = true
            isAfterVirama = false
            (base, takesModifier) = (scalar, scalar.takesModifier)
        } else if scalar.cells > 0 {
            total = width + scalar.cells
            hasOpenConjunct = false
            isAfterVirama = false
            (base, takesModifier) = (scalar, scalar.takesModifier)
        } else if scalar.isSpacingMark, base != nil {
            total += 1
            hasOpenConjunct = false
            isAfterVirama = false
            base = nil
        } else {
            isAfterVirama = scalar.isVirama
        }
    }
}
