// SPDX-License-Identifier: Apache-2.0
// Attention and the key-value cache against the textbook formula in Double, with the cache's own rounding applied first.

import Glibc
import Kernels
import Platform
import TestSupport
import Testing

/// One attention problem: random queries, keys and values of a sequence.
private struct Problem {
    var heads = 4
    var sharedHeads = 2
    var headSize = 32
    var positions = 40
    var window: Int?
    var softcap: Float?
    var encoding = CacheEncoding.float32
    /// Positions that the cache has room for beyond the last.
    var room = 3

    var width: Int { heads * headSize }
    var sharedWidth: Int { sharedHeads * headSize }
    var query: AlignedBuffer<Float> { randomBuffer(positions * width, seed: 41) }
    var key: AlignedBuffer<Float> { randomBuffer(positions * sharedWidth, seed: 42) }
    var value: AlignedBuffer<Float> { randomBuffer(positions * sharedWidth, seed: 43) }
    var scale: Float { 1 / Float(headSize).squareRoot() }

    func emptyCache() -> KeyValueCache {
        granted(
            try KeyValueCache(
                keyValueHeadCount: sharedHeads, headSize: headSize, capacity: positions + room,
                encoding: encoding))
    }

    /// Evaluates the sequence in batches of the given sizes; output [positions × width].
    func run(_ kernels: KernelSet, threads: Int = 1, batches: [Int]? = nil) -> AlignedBuffer<Float> {
        let compute = granted(try Compute(kernels: kernels, threadCount: threads, smallWork: 0))
        let cache = emptyCache()
        let output = granted(try AlignedBuffer<Float>(count: positions * width))
        var first = 0
        for count in batches ?? [positions] {
            let query = slice(query, first, count, width)
            let key = slice(key, first, count, sharedWidth), value = slice(value, first, count, sharedWidth)
            compute.forTokens(count, elementCount: sharedWidth) {
                $0.append(key: key, value: value, to: cache, firstPosition: first)
            }
            let part = granted(try Activations(capacity: count, columns: width))
            compute.attend(
                query: query, cache: cache, firstPosition: first, tokenCount: count,
                headCount: heads,
                scale: scale, window: window, softcap: softcap, into: part, form: .values)
            for i in 0..<count * width { output[first * width + i] = part.values[i] }
            first += count
        }
        return output
    }

    private func slice(_ x: AlignedBuffer<Float>, _ first: Int, _ count: Int, _ width: Int) -> AlignedBuffer<
        Float
    > {
        buffer((0..<count * width).map { x[first * width + $0] })
    }

    /// Rows as the cache holds them, or as queries are read (`scaleIsHalf` false).
    func rounded(_ x: AlignedBuffer<Float>, scaleIsHalf: Bool = true) -> [Double] {
        switch encoding {
        case .float32: return (0..<x.count).map { Double(x[$0]) }
        case .float16: return (0..<x.count).map { Double(scaleIsHalf ? Float(Float16(x[$0])) : x[$0]) }
        case .int8:
            let a = granted(try Activations(capacity: 1, columns: x.count))
            for i in 0..<x.count { a.values[i] = x[i] }
            granted(try Compute(kernels: .best, threadCount: 1)).forTokens(1, elementCount: 1) {
                $0.quantize(a)
            }
            return (0..<x.count).map {
                let q = a.quantized(token: 0, column: $0)
                return Double(q.code) * Double(scaleIsHalf ? Float(Float16(q.scale)) : q.scale)
            }
        }
    }

    /// Weights become codes with 8-bit values: each is off by at most half of the 127th part of the largest in its group
    /// of 32 positions, where scales are the largest; and by as much again that lies next to a tie.
    private func codeError(_ weights: [Double], from first: Int) -> Double {
        guard encoding == .int8 else { return 0 }
        var largest: [Int: Double] = [:]
        for (i, weight) in weights.enumerated() { largest[(first + i) / 32, default: 0].formMax(weight) }
        return weights.indices.reduce(0) { $0 + (largest[(first + $1) / 32] ?? 0) / 127 / 2 * 1.01 }
    }

    /// Compares with softmax(capped(scale · q kᵀ)) v.
    func verify(_ output: AlignedBuffer<Float>, _ label: String) {
        let keys = rounded(key), values = rounded(value)
        let queries = rounded(
            buffer((0..<query.count).map { [query] in query[$0] * scale }), scaleIsHalf: false)
        let largestValue = values.map(abs).max() ?? 0
        for p in 0..<positions {
            for h in 0..<heads {
                let shared = h * sharedHeads / heads
                let seen = max(0, p - (window ?? .max) + 1)...p
                var scoreError = 0.0
                let scores = seen.map { s in
                    var score = 0.0, magnitude = 0.0
                    for c in 0..<headSize {
                        let product =
                            queries[p * width + h * headSize + c]
                            * keys[s * sharedWidth + shared * headSize + c]
                        score += product
                        magnitude += abs(product)
                    }
                    // The cap's slope is at most 1; its own roundings are few.
                    let capError = softcap == nil ? 0 : 8 * roundoff * abs(score)
                    scoreError = max(
                        scoreError, Double(2 * headSize + 4) * roundoff * magnitude + capError)
                    return softcap.map { Double($0) * tanh(score / Double($0)) } ?? score
                }
                let largest = scores.max() ?? 0
                let weights = scores.map { exp($0 - largest) }
                let sum = weights.reduce(0, +)
                // Every weight is off by at most e^(2 · score error), and by the roundings of sums over positions.
                let bound =
                    2 * (2 * scoreError + Double(seen.count + 40) * roundoff) * largestValue
                    + codeError(weights, from: seen.lowerBound) / sum * largestValue
                for c in 0..<headSize {
                    var expected = 0.0
                    for (w, s) in zip(weights, seen) {
                        expected += w * values[s * sharedWidth + shared * headSize + c]
                    }
                    let error = abs(Double(output[p * width + h * headSize + c]) - expected / sum)
                    #expect(error <= bound, "\(label) position \(p), head \(h), channel \(c)")
                }
            }
        }
    }
}

extension Double {
    fileprivate mutating func formMax(_ other: Double) { self = max(self, other) }
}

private let problems: [Problem] = [
    Problem(),
    Problem(heads: 3, sharedHeads: 3, headSize: 8, positions: 33),
    Problem(heads: 1, sharedHeads: 1, headSize: 20, positions: 17),
    Problem(heads: 4, sharedHeads: 1, headSize: 64, positions: 150),
    Problem(heads: 6, sharedHeads: 2, headSize: 32, positions: 300, window: 20),
    Problem(heads: 2, sharedHeads: 1, headSize: 32, positions: 270, window: 129),
    Problem(heads: 4, sharedHeads: 2, headSize: 32, positions: 141, window: 100, softcap: 0.5),
]

@Test(arguments: KernelSet.available, CacheEncoding.allCases)
func attentionFollowsTheFormula(kernels: KernelSet, encoding: CacheEncoding) {
    for var problem in problems where encoding.accepts(headSize: problem.headSize) {
        problem.encoding = encoding
        problem.verify(problem.run(kernels), "\(kernels.name) \(problem.headSize) × \(problem.positions)")
    }
}

@Test(arguments: KernelSet.available, CacheEncoding.allCases)
func attentionIsTheSameForAnyThreadCountAndBatch(kernels: KernelSet, encoding: CacheEncoding) {
    for var problem in problems.suffix(4) {
        problem.encoding = encoding
        let count = problem.positions * problem.width
        let expected = problem.run(kernels).bits(count)
        for threads in [2, 3, 5] { #expect(problem.run(kernels, threads: threads).bits(count) == expected) }
        let uneven = [1, 5, 17, problem.positions - 30, 7]
        #expect(problem.run(kernels, threads: 2, batches: uneven).bits(count) == expected)
    }
}

/// A single token's chunks are divided among threads, and the last of them to finish combines the parts: across a chunk's end,
/// until the cache is full, with and without a window, and where several heads share a cache.
@Test(arguments: KernelSet.available, CacheEncoding.allCases)
func decodingTokenByTokenIsTheSameForAnyThreadCount(kernels: KernelSet, encoding: CacheEncoding) {
    for var problem in [
        Problem(heads: 4, sharedHeads: 1, headSize: 64, positions: 150),
        Problem(heads: 4, sharedHeads: 2, headSize: 32, positions: 384, room: 0),
        Problem(heads: 3, sharedHeads: 3, headSize: 32, positions: 390, window: 140, room: 600),
    ] {
        problem.encoding = encoding
        let stepCount = 36
        let batches = [problem.positions - stepCount] + Array(repeating: 1, count: stepCount)
        let count = problem.positions * problem.width
        let expected = problem.run(kernels).bits(count)
        for threads in [1, 2, 3, 7] {
            let found = problem.run(kernels, threads: threads, batches: batches).bits(count)
            #expect(found == expected, "\(problem.positions) positions, \(threads) threads")
        }
    }
}

@Test func allInstructionSetsAttendBitForBit() {
    for var problem in problems {
        for encoding in CacheEncoding.allCases where encoding.accepts(headSize: problem.headSize) {
            problem.encoding = encoding
            let count = problem.positions * problem.width
            let results = KernelSet.available.map { problem.run($0).bits(count) }
            #expect(results.allSatisfy { $0 == results[0] })
        }
    }
}

@Test(arguments: CacheEncoding.allCases)
func aCopiedPrefixContinuesLikeTheOriginal(encoding: CacheEncoding) throws {
    let problem = Problem(heads: 2, sharedHeads: 2, headSize: 32, positions: 45, encoding: encoding)
    let compute = granted(try Compute(kernels: .best, threadCount: 1))
    let cache = problem.emptyCache()
    compute.forTokens(45, elementCount: 64) {
        $0.append(key: problem.key, value: problem.value, to: cache, firstPosition: 0)
    }
    let copy = try cache.copy(prefix: 37)
    let outputs = try [cache, copy].map { cache in
        let output = granted(try Activations(capacity: 1, columns: problem.width))
        compute.attend(
            query: problem.query, cache: cache, firstPosition: 36, tokenCount: 1, headCount: 2,
            scale: 1, window: nil, into: output, form: .values)
        return output.values.bits(problem.width)
    }
    #expect(outputs[0] == outputs[1])
}

@Test func cacheSizesAreToldInAdvance() {
    func bytes(_ encoding: CacheEncoding, capacity: Int = 100) -> Int {
        KeyValueCache.byteCount(
            keyValueHeadCount: 2, headSize: 64, capacity: capacity, encoding: encoding)
    }
    // 128 positions are 4 groups.
    #expect(bytes(.float32) == 2 * 128 * 64 * 4 * 2)
    #expect(bytes(.float16) == 2 * 128 * 64 * 2 * 2)
    #expect(bytes(.int8) == 2 * 128 * (64 + 4) * 2)
    #expect(bytes(.float32, capacity: .max) == .max)
}

@Test(arguments: KernelSet.available, [16, 32, 64])
func theOutputInCodesIsTheOutputQuantized(kernels: KernelSet, headSize: Int) throws {
    let problem = Problem(heads: 4, sharedHeads: 2, headSize: headSize, positions: 45, encoding: .float16)
    for threads in [1, 3] {
        let compute = granted(try Compute(kernels: kernels, threadCount: threads, smallWork: 0))
        let cache = problem.emptyCache()
        let outputs = try [ActivationForm.values, .codes].map { form in
            compute.forTokens(45, elementCount: problem.width) {
                $0.append(key: problem.key, value: problem.value, to: cache, firstPosition: 0)
            }
            let output = granted(try Activations(capacity: 45, columns: problem.width))
            compute.attend(
                query: problem.query, cache: cache, firstPosition: 0, tokenCount: 45, headCount: 4,
                scale: problem.scale, window: nil, into: output, form: form)
            return output
        }
        compute.forTokens(45, elementCount: problem.width) { $0.quantize(outputs[0]) }
        #expect(sameCodes(outputs[0], outputs[1], tokens: 45))
    }
}
