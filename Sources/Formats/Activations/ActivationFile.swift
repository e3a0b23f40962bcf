// SPDX-License-Identifier: Apache-2.0
// The reader of captured activations: a safetensors file whose tensors and metadata obey formats/activations.md.
// Opening the file checks everything, including the numbers.

import Platform
import Quantization

/// An open file of captured activations, complete or one shard.
package struct ActivationFile: Sendable {
    package let header: ActivationHeader
    /// The rows, in the file's order.
    package let rows: [ActivationRow]
    /// The number of tokens averaged in each row's state; 0 for a row that could not be read, whose state is undefined.
    package let tokenCounts: [Int]
    /// The layers in the file, ascending.
    package let layers: [Int]
    /// The file's path; empty for bytes in memory.
    package let path: String
    private let file: SafetensorsFile

    /// Opens the file at `path`.
    /// - Throws: `FileError` when it cannot be mapped, `FormatError` when it breaks a rule.
    package init(path: String) throws {
        let file = try SafetensorsFile(path: path)
        self = try namingFile(path) { () throws(FormatError) in try ActivationFile(file, path: path) }
    }

    /// Reads a whole file's bytes.
    /// - Throws: `FormatError` of safetensors.md, or R1–R14.
    package init(bytes: ByteView) throws(FormatError) {
        try self.init(SafetensorsFile(bytes: bytes), path: "")
    }

    private init(_ file: SafetensorsFile, path: String) throws(FormatError) {
        self.file = file
        self.path = path
        let header = try ActivationHeader(file.metadata)
        self.header = header
        layers = try Self.layers(of: file, header: header)
        (rows, tokenCounts) = try Self.rows(of: file, header: header)
        try Self.checkLayers(layers, of: file, rowCount: rows.count, width: header.width)
        try Self.checkSides(rows, pairCount: header.pairCount)
        try checkFinite()
    }

    /// The states of a layer, [rows × width], in the file's order.
    /// - Precondition: the layer is one of `layers`.
    package func states(layer: Int) -> [Float] {
        let (type, bytes) = tensor(layer: layer)
        let memory = unsafe bytes.bytes
        return [Float](unsafeUninitializedCapacity: rows.count * header.width) { buffer, count in
            count = rows.count * header.width
            for index in 0..<count {
                buffer[index] = Self.value(memory, index, type)
            }
        }
    }

    private func tensor(layer: Int) -> (type: SafetensorsType, bytes: ByteView) {
        guard let tensor = file.tensor(named: ActivationTensor.layer(layer)) else {
            preconditionFailure("ActivationFile: there is no layer \(layer)")
        }
        return (tensor.type, file.bytes(of: tensor))
    }

    /// A number of a layer tensor.
    @inline(__always)
    private static func value(_ memory: UnsafeRawBufferPointer, _ index: Int, _ type: SafetensorsType)
        -> Float
    {
        if type == .f32 {
            let bits = unsafe memory.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
            return Float(bitPattern: UInt32(littleEndian: bits))
        }
        let bits = unsafe memory.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
        return Float16Bits.float(UInt16(littleEndian: bits))
    }
}

// MARK: - Checks

extension ActivationFile {
    /// The layers in the file; other tensors are refused.
    private static func layers(of file: SafetensorsFile, header: ActivationHeader) throws(FormatError)
        -> [Int]
    {
        let rowNames = [
            ActivationTensor.text, ActivationTensor.label, ActivationTensor.number, ActivationTensor.tokens,
        ]
        var layers: [Int] = []
        for tensor in file.tensors where !rowNames.contains(tensor.name) {
            guard let layer = ActivationTensor.layer(of: tensor.name) else {
                throw FormatError(
                    .activationsOtherTensor, found: "the tensor \"\(tensor.name)\"",
                    expected: "layer.N and \(rowNames.joined(separator: ", "))")
            }
            guard (0..<header.layerCount).contains(layer) else {
                throw FormatError(
                    .activationsLayers, found: "\"\(tensor.name)\"",
                    expected: "layers 0 to \(header.layerCount - 1)")
            }
            layers.append(layer)
        }
        guard !layers.isEmpty else {
            throw FormatError(.activationsLayers, found: "no layer", expected: "at least one tensor layer.N")
        }
        return layers.sorted()
    }

    private static func checkLayers(
        _ layers: [Int], of file: SafetensorsFile, rowCount: Int, width: Int
    ) throws(FormatError) {
        for layer in layers {
            guard let tensor = file.tensor(named: ActivationTensor.layer(layer)),
                [.f32, .f16].contains(tensor.type), tensor.shape == [rowCount, width]
            else {
                let tensor = file.tensor(named: ActivationTensor.layer(layer))
                throw FormatError(
                    .activationsLayers,
                    found: "layer.\(layer) of \(tensor?.type.rawValue ?? "") \(tensor?.shape ?? [])",
                    expected: "F32 or F16 [\(rowCount), \(width)]")
            }
        }
    }

    /// The four tensors that describe the rows.
    private static func rows(
        of file: SafetensorsFile, header: ActivationHeader
    ) throws(FormatError) -> ([ActivationRow], [Int]) {
        func tensor(_ name: String, _ type: SafetensorsType, _ shape: [Int]) throws(FormatError) -> ByteView {
            guard let tensor = file.tensor(named: name), tensor.type == type, tensor.shape == shape else {
                let found = file.tensor(named: name).map { "\"\(name)\" of \($0.type.rawValue) \($0.shape)" }
                throw FormatError(
                    .activationsRows, found: found ?? "no \"\(name)\"", expected: "\(type.rawValue) \(shape)")
            }
            return file.bytes(of: tensor)
        }
        let count = file.tensor(named: ActivationTensor.text)?.shape.first ?? 0
        guard (1...header.rowCount).contains(count) else {
            throw FormatError(
                .activationsRows, found: "\(count) rows",
                expected: "1 to \(header.rowCount) rows in \"\(ActivationTensor.text)\"")
        }
        let texts = try tensor(ActivationTensor.text, .u8, [count, 32])
        let labels = try tensor(ActivationTensor.label, .i8, [count])
        let numbers = try tensor(ActivationTensor.number, .i32, [count])
        let tokens = try tensor(ActivationTensor.tokens, .i32, [count])
        let mostTokens = header.position == .mean ? Int(Int32.max) : 1
        var (rows, tokenCounts): ([ActivationRow], [Int]) = ([], [])
        for row in 0..<count {
            let label = Int(Int8(bitPattern: labels[row]))
            let number = Int(numbers.load(Int32.self, at: 4 * row))
            let limit = label == 0 ? header.textCount : header.pairCount
            guard (-1...1).contains(label), (0..<limit).contains(number) else {
                throw FormatError(
                    .activationsLabels, found: "label \(label) and number \(number) of row \(row)",
                    expected: "label 1 or -1 and a number below \(header.pairCount), or 0 and a number below "
                        + "\(header.textCount)")
            }
            let tokenCount = Int(tokens.load(Int32.self, at: 4 * row))
            guard (0...mostTokens).contains(tokenCount) else {
                throw FormatError(
                    .activationsTokens, found: "\(tokenCount) tokens of row \(row)",
                    expected: "0 to \(mostTokens)")
            }
            rows.append(
                ActivationRow(textHash: SHA256.Digest(texts, at: 32 * row), label: label, number: number))
            tokenCounts.append(tokenCount)
        }
        return (rows, tokenCounts)
    }

    /// Checks that no row occurs twice and that each pair has both sides.
    private static func checkSides(_ rows: [ActivationRow], pairCount: Int) throws(FormatError) {
        var places: Set<Int> = []
        for (index, row) in rows.enumerated() {
            guard places.insert(row.place(pairCount: pairCount)).inserted else {
                throw FormatError(
                    .activationsSides, found: "row \(index), label \(row.label), number \(row.number) again",
                    expected: "each row once")
            }
        }
        for (index, row) in rows.enumerated() where row.label != 0 {
            guard places.contains(row.place(pairCount: pairCount) ^ 1) else {
                throw FormatError(
                    .activationsSides, found: "row \(index), one side of pair \(row.number)",
                    expected: "both sides in one file")
            }
        }
    }

    private func checkFinite() throws(FormatError) {
        for layer in layers {
            let (type, bytes) = tensor(layer: layer)
            let memory = unsafe bytes.bytes
            var index = 0
            let count = rows.count * header.width
            while index < count, Self.value(memory, index, type).isFinite { index += 1 }
            guard index == count else {
                let value = Self.value(memory, index, type)
                throw FormatError(
                    .activationsFinite,
                    found:
                        "\(value.isNaN ? "NaN" : "\(value)") in row \(index / header.width) of layer \(layer)",
                    expected: "finite numbers",
                    byteOffset: bytes.byteOffset + index * type.bitCount / 8)
            }
        }
    }
}
