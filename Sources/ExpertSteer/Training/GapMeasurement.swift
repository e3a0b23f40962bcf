// SPDX-License-Identifier: Apache-2.0
// Measures before training whether the expert reads the concept better than its target: per layer, held out, with
// intervals.

import Directions
import JSON

extension ExpertiseGap {
    /// Probes every layer of both models.
    package static func measure(
        _ states: SharedStates, seed: UInt64, threadCount: Int, progress: ExpertProgressHandler
    ) throws -> ExpertiseGap {
        var options = LayerProbe.Options()
        options.seed = seed
        let (expert, target) = try states.mapLayers(
            threadCount: threadCount, progress: { try progress(.reading, $0, $1) }
        ) { model, layer in
            try LayerProbe(layer: layer, states: model.pairs(layer: layer), options: options)
        }
        return ExpertiseGap(expert: expert, target: target)
    }

    /// The figures for the record.
    package var json: JSON {
        func layers(_ readings: [LayerProbe]) -> JSON {
            .array(
                readings.map { reading in
                    [
                        "layer": .integer(reading.layer), "auc": .number(reading.auc.rounded(4)),
                        "interval": Self.json(reading.interval),
                    ]
                })
        }
        return [
            "verdict": .string(verdict.rawValue), "expert_auc": .number(expertAUC.rounded(4)),
            "expert_interval": Self.json(expertInterval), "target_auc": .number(targetAUC.rounded(4)),
            "target_interval": Self.json(targetInterval), "difference": .number(difference.rounded(4)),
            "interval": Self.json(interval), "expert": layers(expert), "target": layers(target),
        ]
    }

    private static func json(_ interval: ClosedRange<Double>) -> JSON {
        [.number(interval.lowerBound.rounded(4)), .number(interval.upperBound.rounded(4))]
    }
}

extension Double {
    /// Rounds to this many decimals, to keep noise of the last digits out of records.
    func rounded(_ digits: Int) -> Double {
        let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
        return (self * scale).rounded() / scale
    }
}
