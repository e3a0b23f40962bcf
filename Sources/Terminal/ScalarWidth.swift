// SPDX-License-Identifier: Apache-2.0
// The properties of scalars that determine the width of a text, from a table that tools/golden/widths.py writes.

/// The cells of a single scalar, and its role in sequences.
struct ScalarWidth {
    let rawValue: UInt32

    /// Looks a scalar up.
    init(_ scalar: Unicode.Scalar) {
        // The last run that begins at or before the scalar.
        var low = 0, high = widthRuns.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if widthRuns[middle] >> 8 <= scalar.value { low = middle } else { high = middle }
        }
        rawValue = widthRuns[low] & 0xFF
    }

    /// 0, 1 or 2.
    var cells: Int { Int(rawValue & 3) }
    /// General category Mc, such as a vowel sign that is drawn next to its letter.
    var isSpacingMark: Bool { rawValue & 4 != 0 }
    /// A sign that removes a letter's vowel and joins the next consonant.
    var isVirama: Bool { rawValue & 8 != 0 }
    /// Indic syllabic category Consonant.
    var isConsonant: Bool { rawValue & 16 != 0 }
    /// A pictograph or a regional indicator, whose skin tone takes no cells.
    var takesModifier: Bool { rawValue & 32 != 0 }
    /// Narrow by itself, wide with the emoji presentation selector.
    var isWidenedBySelector: Bool { rawValue & 64 != 0 }
}
