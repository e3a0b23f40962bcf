// SPDX-License-Identifier: Apache-2.0
// From a model's statistics to the scaling and importance of each tensor.

import Formats
import Platform
import Quantization

/// Additional inputs of a tensor's encoding.
struct TensorScaling: Sendable {
    /// Weights of the squared error [columns] (importance matrix, imatrix).
    var importance: [Float]?
    /// Factors of the columns.
    var columnFactors: [Float]?
    /// Factors of the rows.
    var rowFactors: [Float]?

    var changesNumbers: Bool { columnFactors != nil || rowFactors != nil }
}

/// Names a tensor of a model.
package struct TensorKey: Hashable, Sendable {
    package let role: TensorRole
    package let layer: Int?

    package init(_ role: TensorRole, _ layer: Int?) {
        self.role = role
        self.layer = layer
    }
}

/// The scaling of every tensor of a source.
struct ScalingPlan {
    /// Share of a column's importance replaced by the mean of all columns: other texts have other important columns.
    static let uniformShare: Float = 0.2

    private(set) var scalings: [TensorKey: TensorScaling]
    /// The statistics of the model as stored in the file.
    let statistics: CalibrationStatistics
    let headScaling: HeadScaling?

    /// Nil where there are no statistics.
    ///
    /// - Throws: `AllocationError`.
    init?(_ source: ModelSource, _ statistics: CalibrationStatistics?, pool: ThreadPool) throws {
        guard let statistics else { return nil }
        if source.isQuantized {
            // The weights are on a grid that another scale would destroy.
            scalings = [:]
            self.statistics = statistics
            headScaling = source.headScaling
        } else {
            let balanced = try ActivationAwareScaling(source, statistics, pool: pool)
            scalings = balanced.scalings
            self.statistics = balanced.statistics
            headScaling = balanced.headScaling
        }
        for tensor in source.tensors where !tensor.role.isVector {
            guard let input = MatrixInput(of: tensor.role, layer: tensor.layer, in: source.configuration),
                let squares = self.statistics.meanSquares[input], squares.count == tensor.columns
            else { continue }
            let mean = squares.reduce(0, +) / Float(squares.count)
            scalings[TensorKey(tensor.role, tensor.layer), default: TensorScaling()].importance = squares.map
            {
                (1 - Self.uniformShare) * $0 + Self.uniformShare * mean
            }
        }
    }
}

extension ModelSource {
    /// Whether matrices are stored as tiles of integers, as written by this program.
    var isQuantized: Bool {
        tensors.contains {
            guard case .tiles(let segments) = $0.storage else { return false }
            return segments.contains { $0.encoding.isInteger }
        }
    }

    /// Number of weights in all tensors.
    var weightCount: Int { tensors.reduce(0) { $0 + $1.elementCount } }
}

extension SourceTensor {
    /// Decodes one row of the file and applies a scaling's factors.
    func decode(row: Int, _ scaling: TensorScaling?, into output: UnsafeMutablePointer<Float>) {
        decode(row: row, into: output)
        guard let scaling else { return }
        if let factor = scaling.rowFactors?[row] {
            for column in 0..<columns { output[column] *= factor }
        }
        if let factors = scaling.columnFactors {
            for column in 0..<columns { output[column] *= factors[column] }
        }
    }

    /// Whether binary16 represents the numbers: none overflows, and not all are so small that few significant bits remain.
    func fitsFloat16(_ scaling: TensorScaling?) -> Bool {
        let smallestNormal = 0x1p-14
        let values = AlignedBuffer<Float>.granted(count: columns)
        var sum = 0.0
        for row in 0..<rows {
            decode(row: row, scaling, into: values.baseAddress)
            var (largest, squares): (Float, Float) = (0, 0)
            for column in 0..<columns {
                largest = max(largest, abs(values[column]))
                squares += values[column] * values[column]
            }
            // Numbers that are not finite are refused during encoding.
            guard largest <= TileCodec.magnitudeLimit(.float16) else { return false }
            sum += Double(squares)
        }
        return sum == 0 || sum >= Double(elementCount) * smallestNormal * smallestNormal
    }
}
