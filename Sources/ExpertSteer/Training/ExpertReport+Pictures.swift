// SPDX-License-Identifier: Apache-2.0
// The report's pictures: areas under the curve per layer, mutual information between layers, and the chosen pairs.

import LinearAlgebra
import Pictures

extension ExpertReport {
    /// File names and SVG documents.
    package var pictures: [(name: String, document: String)] {
        [
            ("gap.svg", gap.picture(expert: states.expert.name, target: states.target.name)),
            ("information.svg", informationPicture), ("pairs.svg", pairsPicture),
        ]
    }

    /// Mutual information between all layers, with frames around the chosen pairs.
    private var informationPicture: String {
        let matrix = information.gaussian
        var map = HeatMap(
            title: "Mutual information in nats above chance; frames: the chosen pairs",
            rowLabel: "layer of \(states.expert.name)", columnLabel: "layer of \(states.target.name)",
            rowNames: grid.expertLayers.map(String.init), columnNames: grid.targetLayers.map(String.init),
            values: (0..<matrix.rows).map { Array(matrix.row($0)) })
        map.digits = (matrix.values.map(abs).max() ?? 0) < 1 ? 2 : 1
        for pair in pairs.map(\.pair) {
            guard let row = grid.expertLayers.firstIndex(of: pair.expert),
                let column = grid.targetLayers.firstIndex(of: pair.target)
            else { continue }
            map.framed.append((row, column))
        }
        var svg = SVG(width: map.width, height: map.height, title: map.title)
        map.draw(into: &svg, x: 0, y: 0)
        return svg.document
    }

    /// Layers of both models as two columns, with lines between paired layers.
    private var pairsPicture: String {
        let step = 18.0
        let count = max(states.expert.layerCount, states.target.layerCount)
        let (top, height) = (60.0, step * Double(count))
        var svg = SVG(width: 460, height: top + height + 30, title: "Pairs of layers")
        svg.text("Pairs of layers, by \(options.pairing.rawValue)", x: 10, y: 18, size: 14)
        svg.text(states.expert.name, x: 130, y: 42, anchor: .end)
        svg.text(states.target.name, x: 230, y: 42)
        func y(_ layer: Int, of layerCount: Int) -> Double {
            top + height * (Double(layer) + 0.5) / Double(layerCount)
        }
        for entry in pairs {
            let from = (x: 140.0, y: y(entry.pair.expert, of: states.expert.layerCount))
            let to = (x: 220.0, y: y(entry.pair.target, of: states.target.layerCount))
            svg.line(from, to, width: 1.5)
            svg.text(
                "\(decimal(entry.information, digits: 2)) nats, AUC \(decimal(entry.diagnostics.auc, digits: 2))",
                x: 260, y: to.y + 4, size: 10)
        }
        let chosen = (Set(pairs.map(\.pair.expert)), Set(pairs.map(\.pair.target)))
        for layer in 0..<states.expert.layerCount {
            let place = (x: 140.0, y: y(layer, of: states.expert.layerCount))
            svg.marker(chosen.0.contains(layer) ? .disc : .circle, at: place)
            svg.text("\(layer)", x: 130, y: place.y + 4, anchor: .end, size: 10)
        }
        for layer in 0..<states.target.layerCount {
            let place = (x: 220.0, y: y(layer, of: states.target.layerCount))
            svg.marker(chosen.1.contains(layer) ? .disc : .circle, at: place)
            svg.text("\(layer)", x: 230, y: place.y + 4, size: 10)
        }
        return svg.document
    }
}

extension ExpertiseGap {
    /// Held-out areas under the ROC curve of both models over their depth.
    package func picture(expert: String, target: String) -> String {
        func series(
            _ name: String, _ readings: [LayerProbe], _ marker: SVG.Marker, _ dash: SVG.Dash
        ) -> LineChart.Series {
            let count = Double((readings.map(\.layer).max() ?? 0) + 1)
            return LineChart.Series(
                name, points: readings.map { ((Double($0.layer) + 0.5) / count, $0.auc) },
                intervals: readings.map(\.interval), marker: marker, dash: dash)
        }
        var chart = LineChart(
            title: "How well each layer represents the concept", xLabel: "depth", yLabel: "held-out AUC",
            series: [
                series("expert: \(expert)", self.expert, .disc, .solid),
                series("target: \(target)", self.target, .circle, .dashed),
            ])
        chart.yMarks = [(0.5, "chance")]
        var svg = SVG(width: 720, height: 420, title: chart.title)
        chart.draw(into: &svg, x: 0, y: 0, width: 720, height: 420)
        return svg.document
    }
}
