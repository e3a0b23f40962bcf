// SPDX-License-Identifier: Apache-2.0
// From the tensor index to views of the mapped weights.

import Formats
import Kernels
import Quantization

/// Looks tensors up by role and layer.
struct TensorViews {
    let file: TillerFile
    /// Another file that provides some of the tensors.
    var substitute: (file: TillerFile, takes: (TensorRole, Int?) -> Bool)?

    func matrix(_ role: TensorRole, _ layer: Int? = nil) throws(FormatError) -> WeightMatrix {
        if let substitute, substitute.takes(role, layer) {
            return try TensorViews(file: substitute.file).matrix(role, layer)
        }
        let entry = try entry(role, layer)
        return WeightMatrix(
            encoding: entry.encoding, rows: entry.rows, columns: entry.columns, bytes: file.bytes(of: entry))
    }

    /// The rows of a vocabulary matrix, in the segments in which they are stored.
    func table(_ role: TensorRole) throws(FormatError) -> VocabularyMatrix {
        if let substitute, substitute.takes(role, nil) {
            return try TensorViews(file: substitute.file).table(role)
        }
        _ = try entry(role, nil)
        return VocabularyMatrix(
            file.tensorIndex.segments(role).map {
                WeightMatrix(
                    encoding: $0.encoding, rows: $0.rows, columns: $0.columns, bytes: file.bytes(of: $0))
            })
    }

    func vector(_ role: TensorRole, _ layer: Int? = nil) throws(FormatError) -> WeightVector {
        WeightVector(bytes: file.bytes(of: try entry(role, layer)))
    }

    /// `TensorIndex.validate` has checked every required tensor; this guards against gaps in that check.
    private func entry(_ role: TensorRole, _ layer: Int?) throws(FormatError) -> TensorEntry {
        guard let entry = file.tensorIndex[role, layer] else {
            throw FormatError(.tillerMissingTensor, found: "no tensor \(role)", expected: "one")
        }
        return entry
    }

    func optionalVector(_ role: TensorRole, _ layer: Int? = nil) -> WeightVector? {
        file.tensorIndex[role, layer].map { WeightVector(bytes: file.bytes(of: $0)) }
    }
}
