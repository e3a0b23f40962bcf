// SPDX-License-Identifier: Apache-2.0
// Writes captured activations row by row, each to its position in the file, so that memory does not grow with the data.

import Platform

/// A file of activations that is still being written; it appears under its name when it is complete.
package final class ActivationWriter {
    private let file: AtomicFileWriter
    private let layout: SafetensorsLayout
    private let header: ActivationHeader
    private let layers: [Int]
    private let rows: [ActivationRow]
    private var tokenCounts: [Int32]
    private var bytes: [UInt8] = []

    /// Creates the file.
    ///
    /// - Parameters:
    ///   - layers: The captured layers of the model, ascending.
    ///   - rows: All rows of the file, in its order.
    ///   - fault: The simulated fault, for tests.
    /// - Throws: `FileError`.
    package init(
        path: String, replaceExisting: Bool, header: ActivationHeader, layers: [Int], rows: [ActivationRow],
        fault: SimulatedFault? = nil
    ) throws(FileError) {
        precondition(!layers.isEmpty && !rows.isEmpty, "ActivationWriter: nothing to write")
        self.header = header
        self.layers = layers
        self.rows = rows
        tokenCounts = Array(repeating: 0, count: rows.count)
        let rowTensors: [(name: String, type: SafetensorsType, shape: [Int])] = [
            (ActivationTensor.number, .i32, [rows.count]), (ActivationTensor.tokens, .i32, [rows.count]),
            (ActivationTensor.text, .u8, [rows.count, 32]), (ActivationTensor.label, .i8, [rows.count]),
        ]
        // The layers come first: the data that is read most is then at multiples of 4 bytes.
        layout = SafetensorsLayout(
            metadata: header.metadata,
            tensors: layers.map { (ActivationTensor.layer($0), .f32, [rows.count, header.width]) }
                + rowTensors)
        file = try AtomicFileWriter(path: path, replaceExisting: replaceExisting, fault: fault)
        try file.write(layout.header, at: 0)
    }

    /// Writes one row's states.
    ///
    /// - Parameters:
    ///   - tokenCount: The number of tokens averaged in the states.
    ///   - states: One finite state [width] per layer.
    /// - Throws: `FileError`; the file can then only be discarded.
    package func write(row: Int, tokenCount: Int, states: [[Float]]) throws(FileError) {
        precondition(states.count == layers.count, "ActivationWriter: \(states.count) states")
        tokenCounts[row] = Int32(clamping: tokenCount)
        for (layer, state) in zip(layers, states) {
            precondition(state.count == header.width, "ActivationWriter: a state of \(state.count) numbers")
            bytes.removeAll(keepingCapacity: true)
            for value in state { bytes.append(littleEndian: value.bitPattern) }
            try file.write(
                bytes,
                at: layout.byteOffset(of: ActivationTensor.layer(layer)) + 4 * header.width * row)
        }
    }

    /// Writes the descriptions of the rows, and puts the file in its place. Rows that were never written have no tokens.
    /// - Throws: `FileError`; nothing at the path has changed then.
    package func finish() throws(FileError) {
        var (numbers, tokens, texts, labels): ([UInt8], [UInt8], [UInt8], [UInt8]) = ([], [], [], [])
        for (row, tokenCount) in zip(rows, tokenCounts) {
            numbers.append(littleEndian: Int32(row.number))
            tokens.append(littleEndian: tokenCount)
            texts += row.textHash.bytes
            labels.append(UInt8(bitPattern: Int8(row.label)))
        }
        try file.write(numbers, at: layout.byteOffset(of: ActivationTensor.number))
        try file.write(tokens, at: layout.byteOffset(of: ActivationTensor.tokens))
        try file.write(texts, at: layout.byteOffset(of: ActivationTensor.text))
        // The last tensor ends the file, so that omitted states are holes of zeros.
        try file.write(labels, at: layout.byteOffset(of: ActivationTensor.label))
        try file.commit()
    }
}
