// SPDX-License-Identifier: Apache-2.0

import Directions
import LinearAlgebra
import Testing

struct RandomStreamTests {
    @Test func theFirstDrawsAreThoseOfSplitMix64() {
        // The published C code with state 1234567.
        var random = RandomStream(seed: 1_234_567)
        #expect(
            (0..<3).map { _ in random.next() } == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
            ])
    }

    @Test func partsHaveStreamsOfTheirOwn() {
        let firsts = (0..<1000).map { part in
            var random = RandomStream(seed: 5, part: part)
            return random.next()
        }
        #expect(Set(firsts).count == 1000)
        var again = RandomStream(seed: 5, part: 17)
        #expect(again.next() == firsts[17])
    }

    @Test func valuesAreStandardNormal() {
        var random = RandomStream(seed: 1)
        let values = (0..<20000).map { _ in random.nextNormal() }
        let mean = values.reduce(0, +) / 20000
        let square = values.reduce(0) { $0 + $1 * $1 } / 20000
        // Standard errors are 1/√20000 and √2/√20000; five of them.
        #expect(abs(mean) < 0.036 && abs(square - 1) < 0.05)
    }

    @Test func indicesAreUniformAndPermutationsComplete() {
        var random = RandomStream(seed: 2)
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<7000 { counts[random.nextIndex(below: 7)] += 1 }
        #expect(counts.allSatisfy { abs($0 - 1000) < 150 })
        let order = random.nextPermutation(of: 50)
        #expect(order.sorted() == Array(0..<50) && order != Array(0..<50))
        #expect(random.nextPermutation(of: 0).isEmpty)
    }

    @Test(arguments: [1, 2, 40])
    func rotationsAreOrthogonal(size: Int) throws {
        var random = RandomStream(seed: 3)
        let rotation = try random.nextRotation(size: size)
        let square = gram(rotation)
        for (found, expected) in zip(square.values, Matrix.identity(size).values) {
            #expect(abs(found - expected) < 1e-12)
        }
    }
}
