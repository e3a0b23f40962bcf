// SPDX-License-Identifier: Apache-2.0
// A profile's calibration curve as a picture.

import Pictures

extension ProfileCalibration {
    /// Effect and side effect over strength, one plot above the other, as an SVG document.
    ///
    /// - Parameter name: the profile's name.
    package func picture(name: String) -> String {
        var svg = SVG(width: 640, height: 620, title: "Effect and damage of the profile \(name) by strength")
        var effect = LineChart(
            title: "\(name): effect on \(pairCount) validation pairs", xLabel: "strength",
            yLabel: "shift of log-odds, nats per token",
            series: [
                .init(
                    "mean and 95 % interval", points: points.map { (Double($0.strength), $0.effect) },
                    intervals: points.map(\.interval), marker: .disc)
            ])
        effect.yMarks = [(0, "")]
        var damage = LineChart(
            title: "Damage to neutral text", xLabel: "strength", yLabel: "nats per token",
            series: [
                .init(
                    "KL(plain, steered)", points: points.map { (Double($0.strength), $0.damage) },
                    marker: .square),
                .init(
                    "rise of −ln P", points: points.map { (Double($0.strength), $0.lossRise) },
                    marker: .circle, dash: .dashed),
            ])
        damage.yMarks = [(budget, "budget")]
        if let recommended {
            effect.xMarks = [(Double(recommended.strength), "recommended")]
            damage.xMarks = [(Double(recommended.strength), "recommended")]
        }
        effect.draw(into: &svg, x: 0, y: 8, width: 640, height: 300)
        damage.draw(into: &svg, x: 0, y: 312, width: 640, height: 300)
        return svg.document
    }
}
