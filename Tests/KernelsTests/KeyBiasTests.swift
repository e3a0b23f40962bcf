// SPDX-License-Identifier: Apache-2.0
// Keys without their large biases, and attention that adds what those contribute: as if they were in the cache.

import Kernels
import Platform
import TestSupport
import Testing

/// Keys of random projections with a bias in some channels.
private struct Problem {
    let headSize: Int
    let keyHeads = 2, heads = 6, columns = 40, positions = 150
    /// Channels of the first head that have a large bias; the second has one fewer.
    let channels: [Int]
    let projection: TestMatrix
    let gains: WeightVector
    let rotary: RotaryTable
    let bias: AlignedBuffer<Float>
    private let gainValues: AlignedBuffer<Float>

    init(headSize: Int, channels: [Int], size: Float = 400) {
        (self.headSize, self.channels) = (headSize, channels)
        projection = TestMatrix(.float32, rows: keyHeads * headSize, columns: columns)
        gainValues = buffer(Array(repeating: 1, count: columns))
        gains = vector(gainValues)
        rotary = RotaryTable(
            inverseFrequencies: (0..<headSize / 2).map { 1 / Float(1 + $0 * $0) }, magnitude: 1.25)
        bias = randomBuffer(keyHeads * headSize, seed: 9)
        for channel in channels { bias[channel] = size }
        for channel in channels.dropFirst() { bias[headSize + channel] = -1.5 * size }
    }

    var separated: KeyBias? {
        KeyBias(
            vector(bias), keys: projection.weights, gains: gains, rotary: rotary, headSize: headSize)
    }

    /// Attention over random keys with a bias added before RoPE; `separate` is added by attention.
    func run(
        _ kernels: KernelSet, adding bias: WeightVector, separate: KeyBias?, threads: Int = 1,
        batches: [Int]? = nil, encoding: CacheEncoding = .float32
    ) -> [Float] {
        let compute = granted(try Compute(kernels: kernels, threadCount: threads, smallWork: 0))
        let cache = granted(
            try KeyValueCache(
                keyValueHeadCount: keyHeads, headSize: headSize, capacity: positions,
                encoding: encoding))
        let keyWidth = keyHeads * headSize, width = heads * headSize
        var result: [Float] = []
        var first = 0
        for count in batches ?? [positions] {
            func rows(_ width: Int, seed: UInt64) -> AlignedBuffer<Float> {
                let all = randomBuffer(positions * width, seed: seed)
                return buffer((0..<count * width).map { all[first * width + $0] })
            }
            let (query, key, value) = (rows(width, seed: 1), rows(keyWidth, seed: 2), rows(keyWidth, seed: 3))
            let angles = compute.angles(rotary, first..<first + count)
            compute.forTokens(count, elementCount: width) {
                $0.addBias(bias, to: key)
                $0.rotate(query, by: angles, headCount: heads, headSize: headSize)
                $0.rotate(key, by: angles, headCount: keyHeads, headSize: headSize)
                $0.append(key: key, value: value, to: cache, firstPosition: first)
            }
            let output = granted(try Activations(capacity: count, columns: width))
            compute.attend(
                query: query, cache: cache, firstPosition: first, tokenCount: count,
                headCount: heads, scale: 0.01, window: nil, keyBias: separate, into: output, form: .values)
            result += (0..<count * width).map { output.values[$0] }
            first += count
        }
        return result
    }
}

private func vector(_ values: AlignedBuffer<Float>) -> WeightVector {
    WeightVector(bytes: UnsafeRawBufferPointer(values.elements))
}

private let problems = [
    Problem(headSize: 32, channels: [3]), Problem(headSize: 64, channels: [1, 33, 63, 7]),
    Problem(headSize: 96, channels: [50, 2, 95, 40, 60, 61]), Problem(headSize: 20, channels: [0, 10]),
]

@Test(arguments: KernelSet.available, problems.indices)
func separateBiasesAreAsIfTheyWereInTheCache(kernels: KernelSet, index: Int) throws {
    let problem = problems[index]
    let separate = try #require(problem.separated)
    let expected = problem.run(kernels, adding: vector(problem.bias), separate: nil)
    let found = problem.run(kernels, adding: separate.rest, separate: separate)
    // Scores are sums of headSize products of queries below 6 and keys below 8, and of those with biases, below 760 after RoPE
    // in both channels of a pair; each is rounded a few times on both ways. Attention passes their error on to values below 6,
    // once in each weight.
    let ordinary = Float(problem.headSize) * 6 * 8, biased = Float(4 * problem.channels.count) * 6 * 760
    let magnitude = (ordinary + biased) * 0.01
    let scoreError = Float(2 * problem.headSize + 16) * 0x1p-24 * magnitude
    let difference = zip(expected, found).reduce(0) { max($0, abs($1.0 - $1.1)) }
    #expect(difference <= 2 * 2 * scoreError * 6, "\(difference)")
    // Without them it is something else.
    let without = problem.run(kernels, adding: separate.rest, separate: nil)
    #expect(zip(expected, without).contains { abs($0 - $1) > 0.1 })
}

@Test(arguments: CacheEncoding.allCases)
func separateBiasesAreTheSameForAnyThreadCountBatchAndInstructionSet(encoding: CacheEncoding) throws {
    for problem in problems where encoding.accepts(headSize: problem.headSize) {
        let separate = try #require(problem.separated)
        func run(_ kernels: KernelSet, _ threads: Int, _ batches: [Int]?) -> [UInt32] {
            problem.run(
                kernels, adding: separate.rest, separate: separate, threads: threads, batches: batches,
                encoding: encoding
            ).map(\.bitPattern)
        }
        let expected = run(.best, 1, nil)
        for kernels in KernelSet.available { #expect(run(kernels, 1, nil) == expected) }
        for threads in [2, 3] { #expect(run(.best, threads, [1, 5, 17, 100, 27]) == expected) }
        #expect(run(.best, 2, [115] + Array(repeating: 1, count: 35)) == expected)
    }
}

/// A pair leaves the cache with both channels, which RoPE mixes; all else stays as it was.
@Test func onlyLargeBiasesAreSeparated() throws {
    let problem = problems[1]
    let separate = try #require(problem.separated)
    defer { withExtendedLifetime(separate) {} }
    let rest = separate.rest
    // 33 is the partner of 1, 31 that of 63 and 39 that of 7.
    let large = [1, 33, 63, 31, 7, 39], largeOfSecond = [33, 1, 63, 31, 7, 39]
    for channel in 0..<64 {
        #expect(rest.baseAddress[channel] == (large.contains(channel) ? 0 : problem.bias[channel]))
        let second = 64 + channel
        #expect(
            rest.baseAddress[second] == (largeOfSecond.contains(channel) ? 0 : problem.bias[second]))
    }
    // Keys of 40 columns of normal weights are about as large as √40; their biases here are not twice that.
    #expect(Problem(headSize: 64, channels: [5], size: 8).separated == nil)
}
