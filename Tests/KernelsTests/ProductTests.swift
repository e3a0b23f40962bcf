// SPDX-License-Identifier: Apache-2.0
// Matrix products in every encoding, on every instruction set that runs here, against plain sums in Double.

import Kernels
import Platform
import Quantization
import TestSupport
import Testing

private let rowCounts = [1, 15, 16, 17, 33]
private let tokenCounts = [1, 2, 3, 5, 8, 17]
private let tiled: [TensorEncoding] = [.float32, .float16, .int8, .int5, .int4, .int3]

private func columnCounts(_ encoding: TensorEncoding) -> [Int] {
    encoding.isInteger ? [32, 64, 96, 576] : [1, 2, 3, 7, 16, 17, 33, 64, 172]
}

private func multiply(
    _ kernels: KernelSet, _ matrix: TestMatrix, _ x: Activations, tokens: Int, threads: Int = 1
) -> AlignedBuffer<Float> {
    let compute = granted(try Compute(kernels: kernels, threadCount: threads, smallWork: 0))
    let output = AlignedBuffer<Float>.granted(count: tokens * matrix.weights.rows + 1)
    output[output.count - 1] = 12345
    if x.columns % 32 == 0 { compute.forTokens(tokens, elementCount: x.columns) { $0.quantize(x) } }
    compute.multiply(Projection(matrix.weights, into: output), by: x, tokenCount: tokens)
    #expect(output[output.count - 1] == 12345, "wrote beyond the output")
    return output
}

/// The activation that a product reads.
private func read(_ x: Activations, _ t: Int, _ c: Int, _ encoding: TensorEncoding) -> Double {
    guard encoding.isInteger else { return Double(x.values[t * x.columns + c]) }
    let q = x.quantized(token: t, column: c)
    return Double(q.code) * Double(q.scale)
}

@Test(arguments: KernelSet.available, tiled)
func productsAreWithinTheRoundingBound(kernels: KernelSet, encoding: TensorEncoding) {
    for columns in columnCounts(encoding) {
        for rows in rowCounts {
            let matrix = TestMatrix(
                encoding, rows: rows, columns: columns, seed: UInt64(rows * 1000 + columns))
            // The longest rows only where they add something: the reference is slow under emulation.
            for tokens in tokenCounts where columns < 500 || tokens == 1 || (tokens == 17 && rows == 33) {
                let x = randomActivations(tokens: tokens, columns: columns)
                let output = multiply(kernels, matrix, x, tokens: tokens)
                // One rounding for each product and each sum (integer groups need fewer), and the scales'.
                let gamma = Double(2 * columns + 8) * roundoff
                for t in 0..<tokens {
                    let inputs = (0..<columns).map { read(x, t, $0, encoding) }
                    for r in 0..<rows {
                        var expected = 0.0, magnitude = 0.0
                        for c in 0..<columns {
                            expected += matrix.values[r * columns + c] * inputs[c]
                            magnitude += matrix.magnitudes[r * columns + c] * abs(inputs[c])
                        }
                        let error = abs(Double(output[t * rows + r]) - expected)
                        #expect(
                            error <= gamma * magnitude,
                            "\(encoding) \(rows)×\(columns), token \(t) of \(tokens), row \(r): \(error)")
                    }
                }
            }
        }
    }
}

@Test(arguments: [TensorEncoding.int8, .int5, .int4, .int3], [false, true])
func integerPartsAreExactOnEveryInstructionSet(encoding: TensorEncoding, extreme: Bool) {
    // Scales of 1 and integer activations: all sums are integers below 2²⁴, so nothing is ever rounded.
    let columns = 96, rows = 33, tokens = 17
    let matrix = TestMatrix(encoding, rows: rows, columns: columns, extreme: extreme, unitScales: true)
    let x = granted(try Activations(capacity: tokens, columns: columns))
    var random = SeededGenerator(seed: 5)
    for i in 0..<tokens * columns {
        let code = extreme ? (i / columns % 2 == 0 ? -127 : 127) : Int.random(in: -127...127, using: &random)
        x.values[i] = i % 32 == 7 && !extreme ? 127 : Float(code)
    }
    for kernels in KernelSet.available {
        let output = multiply(kernels, matrix, x, tokens: tokens)
        for t in 0..<tokens {
            for r in 0..<rows {
                let expected = (0..<columns).reduce(0.0) {
                    $0 + matrix.values[r * columns + $1] * Double(x.values[t * columns + $1])
                }
                #expect(Double(output[t * rows + r]) == expected, "\(kernels.name) token \(t) row \(r)")
            }
        }
    }
}

@Test(arguments: KernelSet.available, tiled)
func productsAreTheSameForAnyThreadCountAndBatch(kernels: KernelSet, encoding: TensorEncoding) {
    let rows = 1009, columns = 96, tokens = 17
    let matrix = TestMatrix(encoding, rows: rows, columns: columns)
    let x = randomActivations(tokens: tokens, columns: columns)
    let expected = multiply(kernels, matrix, x, tokens: tokens).bits(rows * tokens)
    for threads in [2, 3, 5] {
        #expect(
            multiply(kernels, matrix, x, tokens: tokens, threads: threads).bits(rows * tokens) == expected)
    }
    for t in 0..<tokens {
        let single = granted(try Activations(capacity: 1, columns: columns))
        for c in 0..<columns { single.values[c] = x.values[t * columns + c] }
        let alone = multiply(kernels, matrix, single, tokens: 1)
        #expect(alone.bits(rows) == Array(expected[t * rows..<(t + 1) * rows]), "token \(t)")
    }
}

@Test(arguments: tiled)
func allInstructionSetsAgreeBitForBit(encoding: TensorEncoding) {
    for columns in columnCounts(encoding) {
        let matrix = TestMatrix(encoding, rows: 33, columns: columns)
        let x = randomActivations(tokens: 5, columns: columns)
        let results = KernelSet.available.map { multiply($0, matrix, x, tokens: 5).bits(165) }
        #expect(results.allSatisfy { $0 == results[0] }, "\(columns) columns")
    }
}

@Test(arguments: KernelSet.available)
func threeProjectionsTogetherAreThreeProjections(kernels: KernelSet) throws {
    let columns = 64, tokens = 9
    let matrices = [TensorEncoding.int4, .int8, .float16].enumerated().map { i, encoding in
        TestMatrix(encoding, rows: [48, 17, 1600][i], columns: columns, seed: UInt64(i))
    }
    let x = randomActivations(tokens: tokens, columns: columns)
    let outputs = matrices.map { AlignedBuffer<Float>.granted(count: tokens * $0.weights.rows) }
    let compute = granted(try Compute(kernels: kernels, threadCount: 3, smallWork: 0))
    compute.forTokens(tokens, elementCount: columns) { $0.quantize(x) }
    let projections = zip(matrices, outputs).map { Projection($0.weights, into: $1) }
    compute.multiply(projections[0], projections[1], projections[2], by: x, tokenCount: tokens)
    for (matrix, output) in zip(matrices, outputs) {
        let alone = multiply(kernels, matrix, x, tokens: tokens)
        #expect(output.bits(output.count) == alone.bits(output.count))
    }
}

@Test(arguments: KernelSet.available)
func longBatchesAreCutIntoBlocksWithoutATrace(kernels: KernelSet) {
    // More tokens than a block of the second cache holds.
    let columns = 6144, rows = 16, tokens = 67
    let matrix = TestMatrix(.int4, rows: rows, columns: columns)
    let x = randomActivations(tokens: tokens, columns: columns)
    let all = multiply(kernels, matrix, x, tokens: tokens)
    for t in [0, 31, 32, 63, 66] {
        let single = granted(try Activations(capacity: 1, columns: columns))
        for c in 0..<columns { single.values[c] = x.values[t * columns + c] }
        let alone = multiply(kernels, matrix, single, tokens: 1)
        #expect((0..<rows).allSatisfy { alone[$0] == all[t * rows + $0] }, "token \(t)")
    }
}

@Test(arguments: tiled)
func embeddingsAreRowsOfTheTiles(encoding: TensorEncoding) {
    let rows = 33, columns = 64
    let matrix = TestMatrix(encoding, rows: rows, columns: columns)
    let tokens: [Int32] = [32, 0, 15, 16, 0]
    let hidden = AlignedBuffer<Float>.granted(count: tokens.count * columns)
    let compute = granted(try Compute(kernels: .best, threadCount: 2, smallWork: 0))
    tokens.withUnsafeBufferPointer {
        compute.embed($0, from: VocabularyMatrix([matrix.weights]), scale: 3, into: hidden)
    }
    for (t, token) in tokens.enumerated() {
        for c in 0..<columns {
            let index = Int(token) * columns + c
            let error = abs(Double(hidden[t * columns + c]) - 3 * matrix.values[index])
            #expect(error <= 8 * roundoff * 3 * matrix.magnitudes[index])
        }
    }
}

@Test(arguments: KernelSet.available, [1, 3])
func tablesInSegmentsAreWhatTheirSegmentsAre(kernels: KernelSet, tokens: Int) {
    let columns = 64
    let parts = [(TensorEncoding.int8, 32), (.int4, 48), (.int5, 16), (.int3, 21)].enumerated().map {
        TestMatrix($1.0, rows: $1.1, columns: columns, seed: UInt64($0))
    }
    let table = VocabularyMatrix(parts.map(\.weights))
    let x = randomActivations(tokens: tokens, columns: columns)
    let hidden = AlignedBuffer<Float>.granted(count: 2 * columns)
    for threads in [1, 2, 5, 40] {
        let compute = granted(try Compute(kernels: kernels, threadCount: threads, smallWork: 0))
        let output = AlignedBuffer<Float>.granted(count: tokens * table.rows)
        compute.forTokens(tokens, elementCount: columns) { $0.quantize(x) }
        compute.multiply(table, by: x, tokenCount: tokens, into: output)
        var first = 0
        for part in parts {
            let rows = part.weights.rows
            let alone = multiply(kernels, part, x, tokens: tokens)
            for t in 0..<tokens {
                let same = (0..<rows).allSatisfy {
                    output[t * table.rows + first + $0] == alone[t * rows + $0]
                }
                #expect(same, "\(threads) threads, rows from \(first), token \(t)")
            }
            [Int32(first), Int32(first + rows - 1)].withUnsafeBufferPointer {
                compute.embed($0, from: table, scale: 1, into: hidden)
            }
            for (t, row) in [0, rows - 1].enumerated() {
                for c in 0..<columns {
                    let index = row * columns + c
                    let error = abs(Double(hidden[t * columns + c]) - part.values[index])
                    #expect(error <= 8 * roundoff * part.magnitudes[index])
                }
            }
            first += rows
        }
        #expect(first == table.rows)
    }
}

/// activation(gate · x) ⊙ (up · x), step by step.
private func gatedInSteps(
    _ kernels: KernelSet, _ gate: TestMatrix, _ up: TestMatrix, _ x: Activations, tokens: Int
) -> AlignedBuffer<Float> {
    let a = multiply(kernels, gate, x, tokens: tokens), b = multiply(kernels, up, x, tokens: tokens)
    let output = granted(try AlignedBuffer<Float>(count: tokens * gate.weights.rows))
    kernels.table.gateSilu(a.baseAddress, b.baseAddress, output.baseAddress, output.count)
    return output
}

@Test(arguments: KernelSet.available, [1, 5, 130])
func gatedProductsAreProductsThenGates(kernels: KernelSet, tokens: Int) {
    // 1056 rows do not fit into the scratch memory of a thread at once; 33 end in the middle of a tile.
    for (encoding, rows) in [(TensorEncoding.int4, 1056), (.int8, 64), (.float32, 33)] {
        let columns = 64
        let gate = TestMatrix(encoding, rows: rows, columns: columns, seed: 1)
        let up = TestMatrix(encoding, rows: rows, columns: columns, seed: 2)
        let x = randomActivations(tokens: tokens, columns: columns)
        let expected = gatedInSteps(kernels, gate, up, x, tokens: tokens)
        for threads in [1, 3] {
            let compute = granted(try Compute(kernels: kernels, threadCount: threads, smallWork: 0))
            let output = granted(try Activations(capacity: tokens, columns: rows))
            func run(_ form: ActivationForm) {
                compute.multiplyGated(
                    gate: gate.weights, up: up.weights, activation: .silu, by: x, tokenCount: tokens,
                    into: output, form: form)
            }
            run(.values)
            #expect(output.values.bits(expected.count) == expected.bits(expected.count))
            guard rows % 32 == 0 else { continue }
            run(.codes)
            let quantized = granted(try Activations(capacity: tokens, columns: rows))
            for i in 0..<expected.count { quantized.values[i] = expected[i] }
            compute.forTokens(tokens, elementCount: rows) { $0.quantize(quantized) }
            #expect(sameCodes(output, quantized, tokens: tokens))
        }
    }
}
