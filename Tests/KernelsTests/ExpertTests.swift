// SPDX-License-Identifier: Apache-2.0
// Mixtures of experts: routes against a plain softmax, products against those of each expert alone.

import Glibc
import Kernels
import Platform
import Quantization
import TestSupport
import Testing

@Suite struct ExpertTests {
    private static let (expertCount, usedCount, hidden, wide) = (5, 3, 64, 32)

    private static func routes(
        _ compute: Compute, tokens: Int, normalizes: Bool, seed: UInt64 = 3
    ) -> (routes: ExpertRoutes, logits: [Float]) {
        let logits = AlignedBuffer<Float>.granted(count: tokens * expertCount)
        var random = SeededGenerator(seed: seed)
        for index in 0..<logits.count { logits[index] = Float.random(in: -3...3, using: &random) }
        let copy = (0..<logits.count).map { logits[$0] }
        let routes = granted(
            try ExpertRoutes(capacity: tokens + 2, expertCount: expertCount, usedCount: usedCount))
        compute.route(logits, tokenCount: tokens, normalizes: normalizes, into: routes)
        return (routes, copy)
    }

    private static func expert(_ matrix: WeightMatrix, _ index: Int) -> WeightMatrix {
        let rows = matrix.rows / expertCount, size = matrix.byteCount / expertCount
        return WeightMatrix(
            encoding: matrix.encoding, rows: rows, columns: matrix.columns,
            bytes: UnsafeRawBufferPointer(start: matrix.baseAddress + index * size, count: size))
    }

    @Test(arguments: [true, false], [1, 2, 13]) func tokensGetTheLikeliestExperts(
        normalizes: Bool, tokens: Int
    ) {
        let compute = granted(try Compute(kernels: KernelSet.available[0], threadCount: 2, smallWork: 0))
        let (routes, logits) = Self.routes(compute, tokens: tokens, normalizes: normalizes)
        var rowsOfExperts = [[Int]](repeating: [], count: Self.expertCount)
        for token in 0..<tokens {
            let own = (0..<Self.expertCount).map { Double(logits[token * Self.expertCount + $0]) }
            let sum = own.reduce(0) { $0 + exp($1) }
            let chosen = own.indices.sorted { own[$0] > own[$1] }.prefix(Self.usedCount).sorted()
            let total = normalizes ? chosen.reduce(0) { $0 + exp(own[$1]) } : sum
            var found: [Int] = []
            routes.forEachExpert(of: token) { expert, row, weight in
                found.append(expert)
                rowsOfExperts[expert].append(row)
                #expect(abs(Double(weight) - exp(own[expert]) / total) < 1e-6)
            }
            #expect(found == Array(chosen))
        }
        // Every row once, those of an expert side by side, experts in ascending order.
        #expect(rowsOfExperts.flatMap { $0 } == Array(0..<tokens * Self.usedCount))
    }

    @Test func equalLogitsGoToTheFirstExperts() {
        let compute = granted(try Compute(kernels: KernelSet.available[0], threadCount: 1))
        let routes = granted(try ExpertRoutes(capacity: 1, expertCount: 4, usedCount: 2))
        for values: [Float] in [[1, 1, 1, 1], [.nan, .nan, .nan, .nan]] {
            let logits = AlignedBuffer<Float>.granted(count: 4)
            for (index, value) in values.enumerated() { logits[index] = value }
            compute.route(logits, tokenCount: 1, normalizes: true, into: routes)
            var found: [Int] = []
            routes.forEachExpert(of: 0) { expert, _, _ in found.append(expert) }
            #expect(found == [0, 1])
        }
    }

    /// Bit for bit what each expert alone gives for each token, whatever else is in the batch.
    @Test(arguments: KernelSet.available, [TensorEncoding.float32, .float16, .int8, .int5, .int4, .int3])
    func productsAreThoseOfEachExpert(kernels: KernelSet, encoding: TensorEncoding) {
        let (hidden, wide, all) = (Self.hidden, Self.wide, Self.expertCount)
        let gates = TestMatrix(encoding, rows: all * wide, columns: hidden, seed: 1)
        let ups = TestMatrix(encoding, rows: all * wide, columns: hidden, seed: 2)
        let downs = TestMatrix(encoding, rows: all * hidden, columns: wide, seed: 3)
        for (tokens, threads) in [(1, 2), (2, 1), (19, 2)] {
            let compute = granted(try Compute(kernels: kernels, threadCount: threads, smallWork: 0))
            let (routes, _) = Self.routes(compute, tokens: tokens, normalizes: true)
            let rows = tokens * Self.usedCount
            let x = randomActivations(tokens: tokens, columns: hidden)
            compute.forTokens(tokens, elementCount: hidden) { $0.quantize(x) }
            let form = gates.weights.inputForm
            let gathered = granted(try Activations(capacity: rows, columns: hidden))
            let inner = granted(try Activations(capacity: rows, columns: wide))
            let products = AlignedBuffer<Float>.granted(count: rows * hidden)
            let output = AlignedBuffer<Float>.granted(count: tokens * hidden)
            compute.gather(x, routes, values: form == .values, codes: form == .codes, into: gathered)
            compute.multiplyGatedExperts(
                gate: gates.weights, up: ups.weights, activation: .silu, by: gathered, routes, into: inner,
                form: form)
            compute.multiplyExperts(
                downs.weights, rowCount: hidden, by: inner, routes, into: products)
            compute.combine(products, routes, columns: hidden, into: output)
            for token in 0..<tokens {
                let alone = granted(try Activations(capacity: 1, columns: hidden))
                for column in 0..<hidden { alone.values[column] = x.values[token * hidden + column] }
                compute.forTokens(1, elementCount: hidden) { $0.quantize(alone) }
                var expected = [Float](repeating: 0, count: hidden)
                var own: [(expert: Int, weight: Float)] = []
                routes.forEachExpert(of: token) { expert, _, weight in own.append((expert, weight)) }
                for (expert, weight) in own {
                    let inner = granted(try Activations(capacity: 1, columns: wide))
                    compute.multiplyGated(
                        gate: Self.expert(gates.weights, expert), up: Self.expert(ups.weights, expert),
                        activation: .silu, by: alone, tokenCount: 1, into: inner, form: form)
                    let product = AlignedBuffer<Float>.granted(count: hidden)
                    compute.multiply(
                        Projection(Self.expert(downs.weights, expert), into: product), by: inner,
                        tokenCount: 1)
                    expected.withUnsafeMutableBufferPointer { expected in
                        guard let base = expected.baseAddress else { return }
                        compute.addScaled(product.baseAddress, scale: weight, to: base, count: hidden)
                    }
                }
                let found = (0..<hidden).map { output[token * hidden + $0] }
                #expect(found == expected, "\(encoding), token \(token) of \(tokens)")
            }
        }
    }
}
