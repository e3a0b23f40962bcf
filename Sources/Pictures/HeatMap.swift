// SPDX-License-Identifier: Apache-2.0
// A matrix as a table of grey cells with their numbers, readable in black and white.

/// A matrix with names of its rows and columns; darker cells have larger values.
package struct HeatMap: Sendable {
    package var title: String
    package var rowLabel: String
    package var columnLabel: String
    package var rowNames: [String]
    package var columnNames: [String]
    /// [rows][columns]
    package var values: [[Double]]
    /// Cells with a frame, as (row, column).
    package var framed: [(row: Int, column: Int)] = []
    /// Decimals of the numbers.
    package var digits = 1

    /// - Precondition: names and values have the same counts.
    package init(
        title: String, rowLabel: String, columnLabel: String, rowNames: [String], columnNames: [String],
        values: [[Double]]
    ) {
        precondition(
            values.count == rowNames.count && values.allSatisfy { $0.count == columnNames.count },
            "HeatMap: sizes differ")
        self.title = title
        self.rowLabel = rowLabel
        self.columnLabel = columnLabel
        self.rowNames = rowNames
        self.columnNames = columnNames
        self.values = values
    }

    private static let cell = (width: 30.0, height: 20.0)
    private static let margin = (left: 70.0, top: 50.0, right: 20.0, bottom: 50.0)

    package var width: Double {
        Self.margin.left + Self.cell.width * Double(columnNames.count) + Self.margin.right
    }
    package var height: Double {
        Self.margin.top + Self.cell.height * Double(rowNames.count) + Self.margin.bottom
    }

    /// Draws the map with its labels; its size is `width` and `height`.
    package func draw(into svg: inout SVG, x: Double, y: Double) {
        let (left, top) = (x + Self.margin.left, y + Self.margin.top)
        let (bottom, right) = (
            top + Self.cell.height * Double(rowNames.count),
            left + Self.cell.width * Double(columnNames.count)
        )
        svg.text(title, x: x + 10, y: y + 18, size: 14)
        svg.text(columnLabel, x: (left + right) / 2, y: bottom + 36, anchor: .middle)
        svg.text(rowLabel, x: x + 20, y: (top + bottom) / 2, anchor: .middle, isVertical: true)
        for (column, name) in columnNames.enumerated() {
            svg.text(
                name, x: left + Self.cell.width * (Double(column) + 0.5), y: bottom + 16, anchor: .middle,
                size: 10)
        }
        for (row, name) in rowNames.enumerated() {
            svg.text(
                name, x: left - 6, y: top + Self.cell.height * (Double(row) + 0.5) + 4, anchor: .end, size: 10
            )
        }
        let flat = values.joined()
        let (low, high) = (flat.min() ?? 0, flat.max() ?? 1)
        for (row, cells) in values.enumerated() {
            for (column, value) in cells.enumerated() {
                // The lowest value is white, and the darkest cells are light enough for the frame to be visible.
                let share = high > low ? (value - low) / (high - low) : 0
                let origin = (
                    x: left + Self.cell.width * Double(column), y: top + Self.cell.height * Double(row)
                )
                svg.rectangle(
                    x: origin.x, y: origin.y, width: Self.cell.width, height: Self.cell.height,
                    grey: 1 - 0.85 * share,
                    isOutlined: false)
                svg.text(
                    decimal(value, digits: digits), x: origin.x + Self.cell.width / 2,
                    y: origin.y + Self.cell.height / 2 + 3, anchor: .middle, size: 8,
                    grey: share > 0.5 ? 1 : 0)
            }
        }
        for frame in framed {
            let origin = (
                x: left + Self.cell.width * Double(frame.column),
                y: top + Self.cell.height * Double(frame.row)
            )
            // Black next to white is visible on any cell.
            for (inset, grey) in [(1.0, 1.0), (2.5, 0.0)] {
                let (a, b) = (origin.x + inset, origin.y + inset)
                let (c, d) = (origin.x + Self.cell.width - inset, origin.y + Self.cell.height - inset)
                let corners = [(a, b), (c, b), (c, d), (a, d), (a, b)]
                for (from, to) in zip(corners, corners.dropFirst()) {
                    svg.line(from, to, width: 1.5, grey: grey)
                }
            }
        }
    }
}
