// SPDX-License-Identifier: Apache-2.0
// The operations of a profile as JSON (formats/tiller.md §7.2). Members that only some operations have are written only
// for those. A reader refuses a profile with a member that it does not know, since ignoring it would change the profile.

import Formats
import JSON

extension SteeringProfile.Operation {
    /// - Parameter profile: the profile, complete but for its operations.
    /// - Throws: `FormatError` R35.
    init(_ json: JSON, index: Int, in profile: SteeringProfile) throws(FormatError) {
        let path = "operations[\(index)]"
        let fields = try JSONFields(json, path: path, rule: .tillerProfileOperation)
        site = try fields.choice("site", SteeringProfile.Site.self)
        if site == .headOutputs {
            width = try fields.integer("width", in: 1...Self.maximumWidth)
            if fields.value("basis") != nil {
                basis = try fields.choice("basis", SteeringProfile.HeadBasis.self)
            }
        }
        layer = try fields.integer("layer", in: 0...(profile.layerCount - 1))
        vector = 0
        coefficient = try fields.float("coefficient", in: -1e6...1e6)
        keepsNorm = try fields.bool("keepsNorm")
        firstPosition =
            try fields.optionalInteger("firstPosition", in: 0...Self.maximumPosition) ?? 0
        endPosition = try fields.optionalInteger(
            "endPosition", in: (firstPosition + 1)...(Self.maximumPosition + 1))
        kind = .add
        let rowCount = profile.rowCount(of: self)
        guard rowCount <= profile.vectors.count else {
            throw FormatError(
                .tillerProfileOperation, found: "\(profile.vectors.count) vectors",
                expected: "\(rowCount) or more for \(path)")
        }
        let vectors = 0...(profile.vectors.count - rowCount)
        vector = try fields.integer("vector", in: vectors)
        // Skipping an operation of a later version would change the profile.
        switch try fields.choice("kind", SteeringOperation.self) {
        case .clamp:
            kind = .clamp(
                target: try fields.float("target", in: -1e6...1e6),
                try fields.choice("condition", SteeringProfile.ClampCondition.self))
        case .rotate:
            kind = .rotate(
                second: try fields.integer("second", in: vectors),
                target: try fields.optionalFloat("target", in: -180...180))
        case let plain: kind = SteeringProfile.Kind(plain)
        }
        if let value = fields.value("gate") {
            gate = try SteeringProfile.Gate(value, path: path + ".gate", in: profile)
        }
        try fields.refuseUnknown()
        try checkGate(path: path, phase: profile.phase)
    }

    /// 1024 heads of 1024 elements; also 2²⁴ tokens, the configuration's maximum.
    private static let maximumWidth = 1 << 20
    private static let maximumPosition = 1 << 24

    /// Checks that a gate has decided before the operation acts.
    private func checkGate(path: String, phase: SteeringProfile.Phase) throws(FormatError) {
        guard let gate else { return }
        switch gate.scope {
        case .token:
            guard gate.layer < layer || (gate.layer == layer && site == .residual) else {
                throw FormatError(
                    .tillerProfileOperation,
                    found: "\"\(path)\" at layer \(layer) with a gate that reads after layer \(gate.layer)",
                    expected: "a gate that is read before it is used")
            }
        case .prompt:
            guard phase != .prompt else {
                throw FormatError(
                    .tillerProfileOperation, found: "\"\(path).gate\" decided by the whole prompt",
                    expected: "a profile that acts on generated text, not on the prompt alone")
            }
        }
    }

    var json: JSON {
        var object: JSON.Object = [:]
        object["kind"] = .string(kind.operation.rawValue)
        if let second = kind.second { object["second"] = .integer(second) }
        if let target = kind.target { object["target"] = .float(target) }
        if let condition = kind.condition { object["condition"] = .string(condition.rawValue) }
        object["site"] = .string(site.rawValue)
        if let width { object["width"] = .integer(width) }
        if site == .headOutputs, basis != .file { object["basis"] = .string(basis.rawValue) }
        object["layer"] = .integer(layer)
        object["vector"] = .integer(vector)
        object["coefficient"] = .float(coefficient)
        object["keepsNorm"] = .bool(keepsNorm)
        if firstPosition != 0 { object["firstPosition"] = .integer(firstPosition) }
        if let endPosition { object["endPosition"] = .integer(endPosition) }
        if let gate { object["gate"] = gate.json }
        return .object(object)
    }
}

extension SteeringProfile.Gate {
    /// - Throws: `FormatError` R35.
    fileprivate init(_ json: JSON, path: String, in profile: SteeringProfile) throws(FormatError) {
        let fields = try JSONFields(json, path: path, rule: .tillerProfileOperation)
        layer = try fields.integer("layer", in: 0...(profile.layerCount - 1))
        vector = try fields.integer("vector", in: 0...(profile.vectors.count - 1))
        comparison = try fields.choice("comparison", Comparison.self)
        threshold = try fields.float("threshold", in: -1e6...1e6)
        scope = try fields.choice("scope", Scope.self)
        try fields.refuseUnknown()
    }

    fileprivate var json: JSON {
        [
            "layer": .integer(layer), "vector": .integer(vector), "comparison": .string(comparison.rawValue),
            "threshold": .float(threshold), "scope": .string(scope.rawValue),
        ]
    }
}
