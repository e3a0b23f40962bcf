// SPDX-License-Identifier: Apache-2.0
// Pictures for reports as SVG text, in black, white and greys. Shapes and dashes distinguish the series, so pictures can
// be printed.

/// A picture that is drawn shape by shape; coordinates are pixels from the upper left corner.
package struct SVG: Sendable {
    package let width, height: Double
    private var body = ""

    /// - Parameter title: a description of the picture, for people who cannot see it.
    package init(width: Double, height: Double, title: String) {
        self.width = width
        self.height = height
        body += "<title>\(Self.escaped(title))</title>\n"
        body += "<rect width=\"\(Self.number(width))\" height=\"\(Self.number(height))\" fill=\"white\"/>\n"
    }

    /// The whole document.
    package var document: String {
        let (w, h) = (Self.number(width), Self.number(height))
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(w)" height="\(h)" viewBox="0 0 \(w) \(h)" \
            font-family="sans-serif" role="img">
            \(body)</svg>

            """
    }

    /// The part of a text that its position refers to.
    package enum Anchor: String, Sendable { case start, middle, end }

    /// The dash pattern of a line.
    package enum Dash: Sendable, CaseIterable {
        case solid, dashed, dotted

        fileprivate var attribute: String {
            switch self {
            case .solid: ""
            case .dashed: " stroke-dasharray=\"7 4\""
            case .dotted: " stroke-dasharray=\"2 3\""
            }
        }
    }

    /// The shape of a point; filled and open shapes also differ in print.
    package enum Marker: Sendable, CaseIterable { case disc, square, triangle, circle }

    /// - Parameter grey: 0 is black, 1 white.
    package mutating func line(
        _ from: (x: Double, y: Double), _ to: (x: Double, y: Double), width: Double = 1, dash: Dash = .solid,
        grey: Double = 0
    ) {
        body +=
            "<line x1=\"\(Self.number(from.x))\" y1=\"\(Self.number(from.y))\" x2=\"\(Self.number(to.x))\" "
        body += "y2=\"\(Self.number(to.y))\" stroke=\"\(Self.colour(grey))\" "
        body += "stroke-width=\"\(Self.number(width))\"\(dash.attribute)/>\n"
    }

    package mutating func polyline(
        _ points: [(x: Double, y: Double)], width: Double = 1.5, dash: Dash = .solid
    ) {
        let list = points.map { "\(Self.number($0.x)),\(Self.number($0.y))" }.joined(separator: " ")
        body += "<polyline points=\"\(list)\" fill=\"none\" stroke=\"black\" "
        body += "stroke-width=\"\(Self.number(width))\"\(dash.attribute)/>\n"
    }

    /// - Parameter grey: 0 is black, 1 white; nil leaves the inside empty.
    package mutating func rectangle(
        x: Double, y: Double, width: Double, height: Double, grey: Double?, isOutlined: Bool = false
    ) {
        body += "<rect x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" width=\"\(Self.number(width))\" "
        body += "height=\"\(Self.number(height))\" fill=\"\(grey.map(Self.colour) ?? "none")\""
        body += isOutlined ? " stroke=\"black\"/>\n" : "/>\n"
    }

    /// - Parameters:
    ///   - isVertical: whether to rotate the text, so that it reads from bottom to top.
    ///   - grey: 0 is black, 1 white.
    package mutating func text(
        _ text: String, x: Double, y: Double, anchor: Anchor = .start, size: Double = 12,
        isVertical: Bool = false, grey: Double = 0
    ) {
        let (px, py) = (Self.number(x), Self.number(y))
        body += "<text x=\"\(px)\" y=\"\(py)\" font-size=\"\(Self.number(size))\" "
        body += "text-anchor=\"\(anchor.rawValue)\" fill=\"\(Self.colour(grey))\""
        if isVertical { body += " transform=\"rotate(-90 \(px) \(py))\"" }
        body += ">\(Self.escaped(text))</text>\n"
    }

    package mutating func marker(_ marker: Marker, at point: (x: Double, y: Double), size: Double = 4) {
        let (x, y, s) = (Self.number(point.x), Self.number(point.y), Self.number(size))
        switch marker {
        case .disc: body += "<circle cx=\"\(x)\" cy=\"\(y)\" r=\"\(s)\"/>\n"
        case .circle:
            body += "<circle cx=\"\(x)\" cy=\"\(y)\" r=\"\(s)\" fill=\"white\" stroke=\"black\"/>\n"
        case .square:
            rectangle(x: point.x - size, y: point.y - size, width: 2 * size, height: 2 * size, grey: 0)
        case .triangle:
            let corners = [(0.0, -size), (size, size), (-size, size)].map { dx, dy in
                "\(Self.number(point.x + dx)),\(Self.number(point.y + dy))"
            }
            body += "<polygon points=\"\(corners.joined(separator: " "))\"/>\n"
        }
    }

    // MARK: - Text

    private static func colour(_ grey: Double) -> String {
        let level = Int((min(max(grey.isFinite ? grey : 1, 0), 1) * 255).rounded())
        return "rgb(\(level),\(level),\(level))"
    }

    /// A coordinate in hundredths of a pixel; NaN and infinity become 0, which every viewer accepts.
    private static func number(_ value: Double) -> String { decimal(value, digits: 2) }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case _ where character.value < 0x20: result += " "
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}

/// A number with at most `digits` decimals and no trailing zeros.
package func decimal(_ value: Double, digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "0" }
    let scale = (0..<digits).reduce(1.0) { power, _ in power * 10 }
    let scaled = Int((value * scale).rounded())
    var text = String(scaled.magnitude)
    text = String(repeating: "0", count: max(digits + 1 - text.count, 0)) + text
    guard digits > 0 else { return (scaled < 0 ? "-" : "") + text }
    let fraction = text.suffix(digits)
    let kept = fraction.prefix(
        (fraction.lastIndex { $0 != "0" }).map { fraction.distance(from: fraction.startIndex, to: $0) + 1 }
            ?? 0)
    return (scaled < 0 ? "-" : "") + text.dropLast(digits) + (kept.isEmpty ? "" : ".\(kept)")
}
