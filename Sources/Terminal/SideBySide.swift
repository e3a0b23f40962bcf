// SPDX-License-Identifier: Apache-2.0
// Shows two texts next to each other, so that their first difference is easy to see.

/// Two columns of text.
package enum SideBySide {
    /// With fewer cells per column, the texts are shown one above the other.
    private static let smallestColumn = 16

    /// Wraps both texts into columns that share `width` cells, under their titles. Lines are joined by "\n", with none at
    /// the end.
    package static func render(
        left: String, right: String, titles: (left: String, right: String), width: Int
    ) -> String {
        let separator = " │ "
        let column = (width - separator.count) / 2
        guard column >= smallestColumn else {
            return stacked(left: left, right: right, titles: titles, width: max(width, 2))
        }
        let leftLines = wrapped(left, width: column)
        let rightLines = wrapped(right, width: column)
        let rule = String(repeating: "─", count: column)
        var rows = zippedRows(wrapped(titles.left, width: column), wrapped(titles.right, width: column)).map {
            (left, right) in
            // Style after padding: otherwise the codes would count as text.
            Style.bold(left.padded(toCells: column)) + separator + Style.bold(right)
        }
        rows.append(rule + "─┼─" + rule)
        rows += zippedRows(leftLines, rightLines).map { left, right in
            (left.padded(toCells: column) + separator + right)
        }
        return rows.joined(separator: "\n")
    }

    private static func zippedRows(_ left: [String], _ right: [String]) -> [(String, String)] {
        (0..<max(left.count, right.count)).map { row in
            (row < left.count ? left[row] : "", row < right.count ? right[row] : "")
        }
    }

    private static func stacked(
        left: String, right: String, titles: (left: String, right: String), width: Int
    ) -> String {
        let blocks = [(titles.left, left), (titles.right, right)].map { title, text in
            [Style.bold(title), String(repeating: "─", count: width)] + wrapped(text, width: width)
        }
        return (blocks[0] + [""] + blocks[1]).joined(separator: "\n")
    }
}
