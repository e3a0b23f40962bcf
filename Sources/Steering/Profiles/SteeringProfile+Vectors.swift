// SPDX-License-Identifier: Apache-2.0
// The operations' requirements on their vectors, checked when a profile is read (formats/tiller.md R36).

import Formats

extension SteeringProfile {
    /// Checks that values are finite, that vectors used for projections have norm 1, and that the two vectors of a
    /// rotation are orthogonal; otherwise the formulas would not hold.
    ///
    /// - Parameter byteOffset: where the vectors begin in the file.
    /// - Throws: `FormatError` R36.
    func checkVectors(at byteOffset: Int) throws(FormatError) {
        func error(_ index: Int, _ found: String, _ expected: String) -> FormatError {
            FormatError(
                .tillerProfileVectors, found: "\(found) in vector \(index)", expected: expected,
                byteOffset: byteOffset + index * hiddenSize * 4)
        }
        for (index, vector) in vectors.enumerated() where !vector.allSatisfy(\.isFinite) {
            throw error(index, "a value that is not finite", "finite values")
        }
        // Thousands of operations may share a vector; each vector is checked once.
        var checked: Set<[Int]> = []
        func checkUnitNorm(_ index: Int, _ operation: Operation) throws(FormatError) {
            guard checked.insert([index, operation.width ?? 0]).inserted else { return }
            let norm = Self.product(vector(index, of: operation), vector(index, of: operation)).squareRoot()
            guard abs(norm - 1) <= 1e-3 else {
                throw error(index, "norm \(norm)", "1 ± 0.001 for projections")
            }
        }
        for operation in operations {
            try checkPadding(of: operation, error)
            if let gate = operation.gate {
                try checkUnitNorm(gate.vector, Operation(.projectOut, layer: 0, vector: gate.vector))
            }
            guard operation.kind.operation.needsUnitNorm else { continue }
            try checkUnitNorm(operation.vector, operation)
            guard let second = operation.kind.second else { continue }
            try checkUnitNorm(second, operation)
            guard checked.insert([operation.vector, operation.width ?? 0, second]).inserted else {
                continue
            }
            let cosine = Self.product(
                vector(operation.vector, of: operation), vector(second, of: operation))
            guard abs(cosine) <= 1e-3 else {
                throw error(second, "cosine \(cosine) with vector \(operation.vector)", "0 ± 0.001")
            }
        }
    }

    /// Checks that the padding in the last row of a wide vector is zero.
    private func checkPadding(
        of operation: Operation, _ error: (Int, String, String) -> FormatError
    ) throws(FormatError) {
        guard let width = operation.width, width % hiddenSize != 0 else { return }
        for start in [operation.vector, operation.kind.second].compactMap(\.self) {
            let last = start + rowCount(of: operation) - 1
            guard vectors[last][(width % hiddenSize)...].allSatisfy({ $0 == 0 }) else {
                throw error(last, "a value after the last of \(width)", "zeros")
            }
        }
    }

    private static func product(_ a: [Float], _ b: [Float]) -> Double {
        zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    }
}
