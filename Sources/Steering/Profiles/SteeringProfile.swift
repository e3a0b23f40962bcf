// SPDX-License-Identifier: Apache-2.0
// A steering profile as a value: vectors, the operations that use them, and the facts that safe use needs.

import Formats
import JSON

/// Directions in a model's residual stream and the operations that use them.
package struct SteeringProfile: Sendable, Equatable {
    /// When a profile acts.
    package enum Phase: String, Sendable, CaseIterable { case prompt, generation, both }

    /// 1 to 64 of A–Z, a–z, 0–9, ".", "_", "-".
    package var name: String
    package var description: String
    /// SHA-256 of the source model's file, which the int8 and the int4 conversion share.
    package var sourceHash: SHA256.Digest
    package var hiddenSize: Int
    package var layerCount: Int
    /// How the vectors were found, such as "mean-difference".
    package var method: String
    package var phase: Phase
    package var operations: [Operation]
    /// √(mean of h²) of the residual stream after each layer, as measured: [layerCount].
    package var residualRMS: [Float]
    package var recommendedStrength: Float
    package var minimumStrength: Float
    package var maximumStrength: Float
    /// Author, date and data: an object.
    package var provenance: JSON
    /// The measurements: an object, or null.
    package var evaluation: JSON
    /// [count][hiddenSize], finite. A wider vector takes several of them, see `vector(_:of:)`.
    package var vectors: [[Float]]

    package init(
        name: String, description: String, sourceHash: SHA256.Digest, hiddenSize: Int, layerCount: Int,
        method: String, phase: Phase = .both, operations: [Operation], residualRMS: [Float],
        recommendedStrength: Float, minimumStrength: Float, maximumStrength: Float, provenance: JSON = [:],
        evaluation: JSON = .null, vectors: [[Float]]
    ) {
        self.name = name
        self.description = description
        self.sourceHash = sourceHash
        self.hiddenSize = hiddenSize
        self.layerCount = layerCount
        self.method = method
        self.phase = phase
        self.operations = operations
        self.residualRMS = residualRMS
        self.recommendedStrength = recommendedStrength
        self.minimumStrength = minimumStrength
        self.maximumStrength = maximumStrength
        self.provenance = provenance
        self.evaluation = evaluation
        self.vectors = vectors
    }
}

extension SteeringProfile {
    // Limits of formats/tiller.md §5.
    static let maximumOperationCount = 4096
    /// Distinct gates; each takes memory per position of the context.
    static let maximumGateCount = 64

    /// Checks that the profile fits a model's shape; otherwise it cannot be applied at all.
    /// - Throws: `FormatError` R37.
    package func checkShape(of model: ModelConfiguration) throws(FormatError) {
        guard hiddenSize == model.hiddenSize, layerCount == model.layerCount else {
            throw FormatError(
                .tillerProfileShape,
                found: "\"\(name)\" for hiddenSize \(hiddenSize) and \(layerCount) layers",
                expected: "\(model.hiddenSize) and \(model.layerCount) layers")
        }
        let headWidth = model.headCount * model.headSize
        for operation in operations {
            guard let width = operation.width, width != headWidth else { continue }
            throw FormatError(
                .tillerProfileShape, found: "\"\(name)\" for heads of \(width) elements together",
                expected: "\(headWidth)")
        }
        for operation in operations
        where operation.site == .headOutputs && model.layers[operation.layer].attention == nil {
            throw FormatError(
                .tillerProfileShape, found: "\"\(name)\" for the heads of layer \(operation.layer)",
                expected: "layers with attention")
        }
    }

    /// Checks that the profile was made for the model's source; its directions mean nothing elsewhere.
    /// - Throws: `FormatError` R38.
    package func checkSource(of manifest: Manifest) throws(FormatError) {
        guard sourceHash == manifest.source.sha256 else {
            throw FormatError(
                .tillerProfileSource, found: "\"\(name)\" made for the source \(sourceHash)",
                expected: "\(manifest.source.sha256), the source of \"\(manifest.name)\"")
        }
    }

    /// Whether the profile means the same in every file of its source: no operation at the heads' outputs has a file's basis.
    package var fitsEveryFile: Bool {
        operations.allSatisfy { $0.site != .headOutputs || $0.basis == .source }
    }

    /// Checks that the file can provide the basis in which the operations at the heads' outputs were learned.
    ///
    /// - Parameters:
    ///   - headScaling: the file's scaling of the heads' outputs.
    ///   - isFromThere: whether the profile was made in that file.
    /// - Throws: `FormatError` R41.
    package func checkHeadBasis(
        _ headScaling: HeadScaling?, isFromThere: Bool
    ) throws(FormatError) {
        if !fitsEveryFile, !isFromThere {
            throw FormatError(
                .tillerProfileBasis,
                found: "\"\(name)\" made for the heads of one file, whose scaling was not recorded",
                expected: "a profile that is trained in a file converted by this version")
        }
        let needsSource = operations.contains { $0.site == .headOutputs && $0.basis == .source }
        if needsSource, headScaling == nil {
            throw FormatError(
                .tillerProfileBasis, found: "\"\(name)\" made for the source's heads",
                expected: "a file that records the scaling of its heads: convert the model again")
        }
    }
}
