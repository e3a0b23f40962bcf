// SPDX-License-Identifier: Apache-2.0
// The human-readable part of a steering profile (formats/tiller.md §7.2). Its name, size and vectors are in the binary
// part and are not repeated here.

import Formats
import JSON

extension SteeringProfile {
    private static let strengths: ClosedRange<Float> = -1000...1000

    /// Reads the JSON part.
    ///
    /// - Throws: `FormatError` R33–R35.
    init(_ json: JSON, name: String, hiddenSize: Int, vectors: [[Float]]) throws(FormatError) {
        let fields = try JSONFields(json, path: "", rule: .tillerProfileField)
        self.name = name
        self.hiddenSize = hiddenSize
        self.vectors = vectors
        description = try fields.string("description", maximumByteCount: 4096)
        sourceHash = try fields.digest("sourceHash")
        layerCount = try fields.integer("layerCount", in: 1...TensorIndex.maximumLayerCount)
        method = try fields.string("method", maximumByteCount: 256)
        phase = try fields.choice("phase", Phase.self)
        residualRMS = try fields.floats("residualRMS", count: layerCount, in: 1e-12...1e12)
        minimumStrength = try fields.float("minimumStrength", in: Self.strengths)
        maximumStrength = try fields.float("maximumStrength", in: Self.strengths)
        recommendedStrength = try fields.float("recommendedStrength", in: Self.strengths)
        guard minimumStrength <= recommendedStrength, recommendedStrength <= maximumStrength else {
            throw FormatError(
                .tillerProfileField, found: "recommendedStrength \(recommendedStrength)",
                expected: "from \(minimumStrength) to \(maximumStrength), the safe range")
        }
        provenance = try fields.openObject("provenance")
        evaluation = try fields.openObject("evaluation")
        operations = []
        let list = fields.value("operations")?.arrayValue ?? []
        guard (1...Self.maximumOperationCount).contains(list.count) else {
            throw FormatError(
                .tillerProfileOperation, found: "\(list.count) operations",
                expected: "1 to \(Self.maximumOperationCount)")
        }
        for (index, element) in list.enumerated() {
            let operation = try Operation(element, index: index, in: self)
            operations.append(operation)
        }
        let gateCount = Set(operations.compactMap(\.gate)).count
        guard gateCount <= Self.maximumGateCount else {
            throw FormatError(
                .tillerProfileOperation, found: "\(gateCount) different gates",
                expected: "at most \(Self.maximumGateCount)")
        }
    }

    /// The JSON part.
    var json: JSON {
        [
            "description": .string(description), "sourceHash": .string(sourceHash.description),
            "layerCount": .integer(layerCount), "method": .string(method), "phase": .string(phase.rawValue),
            "recommendedStrength": .float(recommendedStrength), "minimumStrength": .float(minimumStrength),
            "maximumStrength": .float(maximumStrength), "residualRMS": .array(residualRMS.map { .float($0) }),
            "operations": .array(operations.map(\.json)), "provenance": provenance, "evaluation": evaluation,
        ]
    }
}
