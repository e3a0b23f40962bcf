// SPDX-License-Identifier: Apache-2.0
// Errors that are passed on do less damage where inputs go together, and none where they do not.

import Conversion
import Evaluation
import Formats
import LinearAlgebra
import ModelFixtures
import Quantization
import Steering
import TestSupport
import Testing
import Tiller

@Suite struct FeedbackTests {
    private let folder = TemporaryFolder()
    private static let rows = 16, columns = 96

    /// Without OpenBLAS there is no feedback, and nothing to test but the error.
    private static let hasLibrary = (try? LinearAlgebra.load()) != nil

    /// Inputs [samples × columns] of which each is mostly made of a few others.
    private func inputs(_ sampleCount: Int, seed: UInt64) -> Matrix {
        var generator = SeededGenerator(seed: seed)
        var mixing = SeededGenerator(seed: 5)
        let sources = 12
        let weights = (0..<sources * Self.columns).map { _ in Double(mixing.nextNormal()) }
        var result = Matrix(rows: sampleCount, columns: Self.columns)
        for sample in 0..<sampleCount {
            let hidden = (0..<sources).map { _ in Double(generator.nextNormal()) }
            for column in 0..<Self.columns {
                var value = 0.3 * Double(generator.nextNormal())
                for source in 0..<sources {
                    value += hidden[source] * weights[source * Self.columns + column]
                }
                result[sample, column] = value
            }
        }
        return result
    }

    private func weights() -> [Float] {
        var generator = SeededGenerator(seed: 3)
        return (0..<Self.rows * Self.columns).map { _ in generator.nextNormal() * 0.05 }
    }

    private func encoded(_ weights: [Float], _ feedback: GPTQRounding?) throws -> (
        tile: [UInt8], errors: Matrix
    ) {
        let byteCount = TensorEncoding.int4.tileByteCount(columns: Self.columns) ?? 0
        let tile = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 64)
        defer { tile.deallocate() }
        guard let base = tile.baseAddress else { return ([], Matrix(rows: 0, columns: 0)) }
        var error = QuantizationError()
        try TileCodec.encode(
            rows: weights, validRows: Self.rows, columns: Self.columns, encoding: .int4, importance: nil,
            feedback: feedback, into: base, error: &error)
        var errors = Matrix(rows: Self.rows, columns: Self.columns)
        var decoded = [Float](repeating: 0, count: Self.columns)
        for row in 0..<Self.rows {
            TileCodec.decodeRow(row, tile: base, columns: Self.columns, encoding: .int4, into: &decoded)
            for column in 0..<Self.columns {
                errors[row, column] = Double(decoded[column] - weights[row * Self.columns + column])
            }
        }
        return (Array(tile), errors)
    }

    @Test(.enabled(if: hasLibrary)) func correlatedInputsLoseLess() throws {
        let feedback = try GPTQRounding(moments: gram(inputs(2000, seed: 1)))
        let others = inputs(2000, seed: 2)
        let weights = weights()
        let damages = try [nil, feedback].map { feedback in
            let outputs = product(others, try encoded(weights, feedback).errors, transposing: .second)
            return dotProduct(outputs.values, outputs.values)
        }
        #expect(damages[1] < 0.5 * damages[0], "\(damages)")
    }

    @Test(.enabled(if: hasLibrary)) func independentInputsChangeNothing() throws {
        let feedback = try GPTQRounding(moments: .identity(Self.columns))
        let weights = weights()
        #expect(try encoded(weights, feedback).tile == encoded(weights, nil).tile)
    }

    @Test(.enabled(if: hasLibrary)) func momentsWithoutAFactorAreRefused() {
        #expect(throws: LinearAlgebraError.self) {
            try GPTQRounding(moments: Matrix(rows: Self.columns, columns: Self.columns))
        }
    }

    @Test(.enabled(if: hasLibrary), arguments: TinyModel.names)
    func convertsWithHighEffort(name: String) throws {
        var converter = Converter(
            encodings: EncodingChoice(weights: .int4, head: .int4), calibration: Calibration(),
            replacesExisting: true, threadCount: 2, program: "test")
        let source = "\(TinyModel.folder)/\(name).gguf", output = "\(folder.path)/\(name).tiller"
        var means: [Double] = []
        for effort in [Calibration.Effort.normal, .high] {
            converter.calibration?.effort = effort
            let summary = try converter.convert(source, to: output)
            #expect(summary.remarks.contains { $0.contains("GPTQ") } == (effort == .high))
            means.append(try #require(summary.quality.flatMap(ConversionQuality.init)).mean)
        }
        // Models with random weights have little to gain, and must not lose.
        #expect(means[1] < 1.25 * means[0], "\(means)")
        #expect(try TillerFile(path: output).verify())
    }

    @Test(.enabled(if: hasLibrary)) func stopsWhileItLooksAtTheModel() throws {
        let converter = Converter(
            encodings: EncodingChoice(weights: .int4, head: .int4), calibration: Calibration(effort: .high),
            replacesExisting: true, threadCount: 2, program: "test")
        let output = "\(folder.path)/stopped.tiller"
        #expect(throws: CancellationError.self) {
            try converter.convert("\(TinyModel.folder)/llama.gguf", to: output) { phase, _, _ in phase != .fit
            }
        }
        #expect(throws: (any Error).self) { try TillerFile(path: output) }
    }
}
