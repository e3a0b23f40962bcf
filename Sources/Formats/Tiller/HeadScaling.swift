// SPDX-License-Identifier: Apache-2.0
// Activation-aware scaling (AWQ) divides the value rows by the factors that multiply the output projection's columns, so
// the heads' outputs differ from those of the source. This section stores the factors (formats/tiller.md §3.4): steering and
// its trainers see the source's outputs, for any scaling of the file.

/// The factors between the heads' outputs in a file and those in its source.
package struct HeadScaling: Sendable, Equatable {
    /// For each layer [keyValueHeadCount · headSize]: an output of the source is the file's output times the factor of its
    /// value row; nil if both are equal.
    package private(set) var factors: [[Float]?]

    /// The scaling of a file whose heads' outputs equal those of the source.
    package init(layerCount: Int) { factors = Array(repeating: nil, count: layerCount) }

    /// Scales a layer's outputs again.
    ///
    /// - Parameter further: The divisors of the outputs, per value row.
    /// - Precondition: every layer is scaled by the same number of factors.
    package mutating func divide(layer: Int, by further: [Float]) {
        factors[layer] = factors[layer].map { zip($0, further).map { $0 * $1 } } ?? further
    }

    /// A layer's factors per element of the heads' outputs, [headCount · headSize]: query heads that share a value head share
    /// its factors (grouped-query attention, GQA). nil if the layer is not scaled.
    package func outputFactors(layer: Int, _ configuration: ModelConfiguration) -> [Float]? {
        let headSize = configuration.headSize
        let shared = configuration.headCount / configuration.keyValueHeadCount
        return factors[layer].map { factors in
            (0..<configuration.querySize).map {
                factors[$0 / headSize / shared * headSize + $0 % headSize]
            }
        }
    }
}

extension HeadScaling {
    private static let headerByteCount = 8

    /// Reads the section's bytes.
    /// - Throws: `FormatError` R40.
    init(_ view: ByteView, _ configuration: ModelConfiguration) throws(FormatError) {
        let (layerCount, rowCount) = (configuration.layerCount, configuration.keyValueSize)
        func refuse(_ found: String, _ expected: String, at position: Int) -> FormatError {
            FormatError(
                .tillerHeadScaling, found: found, expected: expected,
                byteOffset: view.byteOffset + position)
        }
        guard view.count >= Self.headerByteCount,
            view.load(UInt32.self, at: 0) == layerCount, view.load(UInt32.self, at: 4) == rowCount
        else {
            throw refuse(
                "another shape, or \(view.count) bytes", "\(layerCount) layers of \(rowCount) value rows",
                at: 0)
        }
        self.init(layerCount: layerCount)
        var position = Self.headerByteCount
        for layer in 0..<layerCount {
            guard position + 4 <= view.count else {
                throw refuse("\(view.count) bytes", "more for layer \(layer)", at: position)
            }
            let count = Int(view.load(UInt32.self, at: position))
            guard count == 0 || (count == rowCount && position + 4 + 4 * count <= view.count) else {
                throw refuse("\(count) factors of layer \(layer)", "0 or \(rowCount)", at: position)
            }
            position += 4
            guard count > 0 else { continue }
            factors[layer] = (0..<count).map {
                Float(bitPattern: view.load(UInt32.self, at: position + 4 * $0))
            }
            guard factors[layer]?.allSatisfy({ $0.isNormal && $0 > 0 }) == true else {
                throw refuse("other factors of layer \(layer)", "normal numbers above 0", at: position)
            }
            position += 4 * count
        }
        guard position == view.count else {
            throw refuse("\(view.count) bytes", "\(position)", at: position)
        }
    }

    /// The section's bytes.
    /// - Throws: `FormatError` R40 if the factors do not fit such a model.
    func encoded(for configuration: ModelConfiguration) throws(FormatError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt32(factors.count))
        bytes.append(littleEndian: UInt32(configuration.keyValueSize))
        for layer in factors {
            bytes.append(littleEndian: UInt32(layer?.count ?? 0))
            for factor in layer ?? [] { bytes.append(littleEndian: factor.bitPattern) }
        }
        _ = try HeadScaling(ByteView(copying: bytes), configuration)
        return bytes
    }
}
