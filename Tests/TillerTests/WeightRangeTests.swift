// SPDX-License-Identifier: Apache-2.0
// Weights that binary16 cannot hold: refused by name where float16 is asked for, stored in Float32 where nobody asked.

import Conversion
import Formats
import Models
import Quantization
import TestSupport
import Testing

@Suite struct WeightRangeTests {
    private let folder = TemporaryFolder()

    private func convert(_ copy: FolderCopy, _ weights: TensorEncoding) throws -> (
        TillerFile, ConversionSummary
    ) {
        let output = "\(folder.path)/model.tiller"
        let converter = Converter(
            encodings: EncodingChoice(weights: weights, head: weights), replacesExisting: true,
            threadCount: 2, program: "test")
        let summary = try converter.convert(copy.path, to: output)
        return (try TillerFile(path: output), summary)
    }

    private func decodedRow(_ row: Int, _ role: TensorRole, layer: Int, of file: TillerFile) throws -> [Float]
    {
        let entry = try #require(file.tensorIndex[role, layer])
        let stride = try #require(entry.encoding.tileByteCount(columns: entry.columns))
        var values = [Float](repeating: 0, count: entry.columns)
        let base = try #require(file.bytes(of: entry).baseAddress)
        values.withUnsafeMutableBufferPointer { values in
            guard let values = values.baseAddress else { return }
            TileCodec.decodeRow(
                row % 16, tile: base + row / 16 * stride, columns: entry.columns, encoding: entry.encoding,
                into: values)
        }
        return values
    }

    private func bytes(_ number: Float) -> [UInt8] {
        withUnsafeBytes(of: number.bitPattern.littleEndian) { Array($0) }
    }

    @Test(
        arguments: [Float(65_520), -70_000, 3e38],
        [(TensorRole.down, "down_proj", 64), (.query, "q_proj", 32)])
    func float16RefusesWhatItCannotHold(weight: Float, tensor: (role: TensorRole, name: String, columns: Int))
        throws
    {
        let copy = FolderCopy("qwen2")
        let name = "model.layers.1.\(tensor.role == .down ? "mlp" : "self_attn").\(tensor.name).weight"
        copy.set(name, at: 3 * tensor.columns + 5, to: bytes(weight))
        let error = #expect(throws: ConversionError.self) { try convert(copy, .float16) }
        let text = error?.description ?? ""
        for word in [copy.path, name, "\(weight)", "row 3, column 5", "65504"] {
            #expect(text.contains(word), "\(text)")
        }
        let exact = try convert(copy, .float32).0
        #expect(try decodedRow(3, tensor.role, layer: 1, of: exact)[5] == weight)
        for encoding in [TensorEncoding.int8, .int4] where abs(weight) < 4e37 {
            let (file, _) = try convert(copy, encoding)
            let stored = try decodedRow(3, tensor.role, layer: 1, of: file)[5]
            #expect(abs(stored - weight) <= 0.07 * abs(weight), "\(encoding): \(stored)")
        }
        if weight == 3e38 {
            for encoding in [TensorEncoding.int8, .int4] {
                let error = #expect(throws: ConversionError.self) { try convert(copy, encoding) }
                #expect(error?.description.contains(name) == true)
            }
        }
    }

    /// Rows that are no whole groups of 32 are stored as float16, or in Float32 where that cannot hold them.
    @Test(arguments: [TensorEncoding.int8, .int4]) func oddRowsTakeWhatHoldsThem(weights: TensorEncoding)
        throws
    {
        let copy = FolderCopy("mistral")
        #expect(try convert(copy, weights).0.tensorIndex[.down, 1]?.encoding == .float16)
        // 70144 as BFloat16.
        copy.set("model.layers.1.mlp.down_proj.weight", at: 3 * 72 + 5, to: [0x89, 0x47])
        let (file, summary) = try convert(copy, weights)
        #expect(file.tensorIndex[.down, 1]?.encoding == .float32)
        #expect(file.tensorIndex[.down, 0]?.encoding == .float16)
        #expect(try decodedRow(3, .down, layer: 1, of: file)[5] == 70144)
        #expect(summary.widened.contains("model.layers.1.mlp.down_proj.weight"))
    }
}
