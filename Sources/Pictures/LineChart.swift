// SPDX-License-Identifier: Apache-2.0
// Curves with their intervals over one axis, in a frame with round numbers on its sides.

import Glibc

/// Several curves in one frame.
package struct LineChart: Sendable {
    /// One curve.
    package struct Series: Sendable {
        package var name: String
        /// Sorted by x.
        package var points: [(x: Double, y: Double)]
        /// One interval per point, or none.
        package var intervals: [ClosedRange<Double>]
        package var marker: SVG.Marker
        package var dash: SVG.Dash

        package init(
            _ name: String, points: [(x: Double, y: Double)], intervals: [ClosedRange<Double>] = [],
            marker: SVG.Marker = .disc, dash: SVG.Dash = .solid
        ) {
            self.name = name
            self.points = points
            self.intervals = intervals
            self.marker = marker
            self.dash = dash
        }
    }

    package var title: String
    package var xLabel: String
    package var yLabel: String
    package var series: [Series]
    /// Named vertical and horizontal lines.
    package var xMarks: [(x: Double, name: String)] = []
    package var yMarks: [(y: Double, name: String)] = []
    /// Values outside are cut off at the frame; nil includes all values.
    package var yLimit: ClosedRange<Double>?

    package init(title: String, xLabel: String, yLabel: String, series: [Series]) {
        self.title = title
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.series = series
    }

    /// Draws the chart with its labels into a rectangle of a picture.
    package func draw(into svg: inout SVG, x: Double, y: Double, width: Double, height: Double) {
        // The legend is above the frame, where it covers no curve.
        let legendHeight = 16 * Double(series.count { !$0.name.isEmpty })
        let frame = Frame(
            left: x + 64, top: y + 28 + legendHeight, width: width - 80, height: height - 76 - legendHeight,
            xScale: xScale, yScale: yScale)
        svg.text(title, x: x + 64, y: y + 16, size: 14)
        drawAxes(into: &svg, frame)
        for mark in xMarks {
            svg.line((frame.x(mark.x), frame.top), (frame.x(mark.x), frame.bottom), dash: .dotted)
            svg.text(mark.name, x: frame.x(mark.x) + 3, y: frame.bottom - 5, size: 10)
        }
        for mark in yMarks {
            svg.line((frame.left, frame.y(mark.y)), (frame.right, frame.y(mark.y)), dash: .dotted)
            svg.text(mark.name, x: frame.right - 3, y: frame.y(mark.y) - 3, anchor: .end, size: 10)
        }
        for series in series { draw(series, into: &svg, frame) }
        for (index, series) in series.filter({ !$0.name.isEmpty }).enumerated() {
            let line = y + 34 + 16 * Double(index)
            svg.line((frame.left, line), (frame.left + 24, line), width: 1.5, dash: series.dash)
            svg.marker(series.marker, at: (frame.left + 12, line))
            svg.text(series.name, x: frame.left + 30, y: line + 4, size: 11)
        }
    }

    private func draw(_ series: Series, into svg: inout SVG, _ frame: Frame) {
        let points = series.points.map { (x: frame.x($0.x), y: frame.y($0.y)) }
        svg.polyline(points, dash: series.dash)
        for (point, interval) in zip(points, series.intervals) {
            let ends = [interval.lowerBound, interval.upperBound].map(frame.y)
            svg.line((point.x, ends[0]), (point.x, ends[1]), width: 1)
            for end in ends { svg.line((point.x - 3, end), (point.x + 3, end), width: 1) }
        }
        for point in points { svg.marker(series.marker, at: point) }
    }

    private func drawAxes(into svg: inout SVG, _ frame: Frame) {
        for tick in frame.xScale.ticks {
            let x = frame.x(tick)
            svg.line((x, frame.top), (x, frame.bottom), width: 0.5, grey: 0.8)
            svg.text(frame.xScale.text(tick), x: x, y: frame.bottom + 15, anchor: .middle, size: 11)
        }
        for tick in frame.yScale.ticks {
            let y = frame.y(tick)
            svg.line((frame.left, y), (frame.right, y), width: 0.5, grey: 0.8)
            svg.text(frame.yScale.text(tick), x: frame.left - 6, y: y + 4, anchor: .end, size: 11)
        }
        svg.rectangle(
            x: frame.left, y: frame.top, width: frame.width, height: frame.height, grey: nil, isOutlined: true
        )
        svg.text(xLabel, x: frame.left + frame.width / 2, y: frame.bottom + 34, anchor: .middle)
        svg.text(
            yLabel, x: frame.left - 48, y: frame.top + frame.height / 2, anchor: .middle, isVertical: true)
    }

    private var xScale: Scale {
        Scale(series.flatMap { $0.points.map(\.x) } + xMarks.map(\.x))
    }

    private var yScale: Scale {
        if let yLimit { return Scale([yLimit.lowerBound, yLimit.upperBound]) }
        let ends = series.flatMap { $0.intervals.flatMap { [$0.lowerBound, $0.upperBound] } }
        return Scale(series.flatMap { $0.points.map(\.y) } + ends + yMarks.map(\.y))
    }
}

/// Maps values to coordinates of the picture.
private struct Frame {
    let left, top, width, height: Double
    let xScale, yScale: Scale

    var right: Double { left + width }
    var bottom: Double { top + height }

    func x(_ value: Double) -> Double { left + width * xScale.share(value) }
    func y(_ value: Double) -> Double { bottom - height * yScale.share(value) }
}

/// A range of values that begins and ends with round numbers.
package struct Scale: Sendable {
    package let low, high: Double
    /// Round numbers from one end to the other.
    package let ticks: [Double]
    private let digits: Int

    /// - Parameter values: values that the range includes; infinite and NaN values are ignored.
    package init(_ values: [Double], count: Int = 6) {
        let finite = values.filter(\.isFinite)
        var (least, largest) = (finite.min() ?? 0, finite.max() ?? 1)
        if largest - least <= abs(largest) * 1e-9 { (least, largest) = (least - 0.5, largest + 0.5) }
        let rough = (largest - least) / Double(count)
        let power = pow(10, log10(rough).rounded(.down))
        let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough } ?? rough
        let (first, last) = ((least / step).rounded(.down), (largest / step).rounded(.up))
        low = first * step
        high = last * step
        ticks = (0...Int(last - first)).map { (first + Double($0)) * step }
        digits = min(max(Int(-log10(step).rounded(.down)), 0), 9)
    }

    /// The relative position of a value, 0 at the lower end and 1 at the upper; values outside are clamped.
    package func share(_ value: Double) -> Double {
        guard value.isFinite else { return 0 }
        return min(max((value - low) / (high - low), 0), 1)
    }

    /// The label of a tick.
    package func text(_ tick: Double) -> String { decimal(tick, digits: digits) }
}
