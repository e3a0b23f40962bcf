// SPDX-License-Identifier: Apache-2.0
// Keys and values that lie beyond what the cache's encoding can hold.

import Kernels
import Platform
import TestSupport
import Testing

private let headSize = 32, heads = 2, positions = 150, width = 64

/// Keys and values of which some positions are far beyond binary16, in a cache of the given encoding.
private func attend(
    _ kernels: KernelSet, _ encoding: CacheEncoding, threads: Int = 1, batches: [Int] = [150],
    cache: KeyValueCache? = nil,
    changing: (AlignedBuffer<Float>, AlignedBuffer<Float>) -> (AlignedBuffer<Float>, AlignedBuffer<Float>) = {
        ($0, $1)
    }
) -> [Float] {
    let compute = granted(try Compute(kernels: kernels, threadCount: threads, smallWork: 0))
    let cache = cache ?? emptyCache(encoding)
    let query = rows(large: true).0
    let (key, value) = changing(rows(large: true).1, rows(large: true).2)
    var result: [Float] = []
    var first = 0
    for count in batches {
        func part(_ x: AlignedBuffer<Float>) -> AlignedBuffer<Float> {
            buffer((0..<count * width).map { x[first * width + $0] })
        }
        let output = granted(try Activations(capacity: count, columns: width))
        compute.forTokens(count, elementCount: width) {
            $0.append(key: part(key), value: part(value), to: cache, firstPosition: first)
        }
        compute.attend(
            query: part(query), cache: cache, firstPosition: first, tokenCount: count,
            headCount: heads,
            scale: 1, window: nil, into: output, form: .values)
        result += (0..<count * width).map { output.values[$0] }
        first += count
    }
    return result
}

private func emptyCache(_ encoding: CacheEncoding) -> KeyValueCache {
    granted(
        try KeyValueCache(
            keyValueHeadCount: heads, headSize: headSize, capacity: positions,
            encoding: encoding))
}

private func rows(large: Bool) -> (AlignedBuffer<Float>, AlignedBuffer<Float>, AlignedBuffer<Float>) {
    let query = randomBuffer(positions * width, seed: 1, scale: 0x1p-24)
    let key = randomBuffer(positions * width, seed: 2), value = randomBuffer(positions * width, seed: 3)
    guard large else { return (query, key, value) }
    for position in 0..<positions {
        let (keyFactor, valueFactor): (Float, Float) = (
            position % 3 == 0 ? 0x1p25 : 0x1p14, position % 5 == 0 ? 0x1p30 : 0x1p8
        )
        for c in position * width..<(position + 1) * width {
            key[c] *= keyFactor
            value[c] *= valueFactor
        }
    }
    return (query, key, value)
}

/// As binary16 has them, were its exponents without end.
private func rounded(_ x: AlignedBuffer<Float>) -> AlignedBuffer<Float> {
    buffer((0..<x.count).map { x[$0].significandRoundedToHalf })
}

extension Float {
    fileprivate var significandRoundedToHalf: Float {
        let factor = Float(sign: .plus, exponent: isZero ? 0 : exponent, significand: 1)
        return Float(Float16(self / factor)) * factor
    }
}

@Test(arguments: KernelSet.available)
func numbersBeyondBinary16KeepItsPrecision(kernels: KernelSet) {
    let found = attend(kernels, .float16)
    let exact = attend(kernels, .float32) { (rounded($0), rounded($1)) }
    // Both multiply the same numbers and add up in the same order; powers of two between them change no digit.
    #expect(found == exact)
    #expect(exact.contains { abs($0) > 0x1p28 })
}

@Test(arguments: [CacheEncoding.float16, .int8])
func scaledNumbersAreTheSameForAnyThreadCountBatchAndInstructionSet(encoding: CacheEncoding) {
    let expected = attend(.best, encoding).map(\.bitPattern)
    for kernels in KernelSet.available { #expect(attend(kernels, encoding).map(\.bitPattern) == expected) }
    for threads in [2, 3] {
        let found = attend(.best, encoding, threads: threads, batches: [1, 5, 17, 100, 27])
        #expect(found.map(\.bitPattern) == expected)
    }
}

/// A sequence that is shortened and goes on with small numbers leaves nothing of the large ones behind; the prefix of a
/// cache and its snapshot take them along.
@Test(arguments: [CacheEncoding.float16, .int8])
func exponentsGoWithTheirPositions(encoding: CacheEncoding) throws {
    let used = emptyCache(encoding)
    let expected = attend(.best, encoding, cache: used)
    let compute = granted(try Compute(kernels: .best, threadCount: 1))
    func last(_ cache: KeyValueCache) -> [Float] {
        let output = granted(try Activations(capacity: 1, columns: width))
        let query = rows(large: true).0
        let own = buffer((0..<width).map { query[(positions - 1) * width + $0] })
        compute.attend(
            query: own, cache: cache, firstPosition: positions - 1, tokenCount: 1, headCount: heads,
            scale: 1, window: nil, into: output, form: .values)
        return (0..<width).map { output.values[$0] }
    }
    let copy = try used.copy(prefix: positions)
    #expect(last(copy) == Array(expected.suffix(width)))

    func restore(_ cache: KeyValueCache, _ numbers: [UInt8], _ exponents: [UInt8]?) -> Bool {
        numbers.withUnsafeBytes { numbers in
            guard let exponents else {
                return cache.restore(prefix: positions, from: numbers, exponents: nil)
            }
            return exponents.withUnsafeBytes {
                cache.restore(prefix: positions, from: numbers, exponents: $0)
            }
        }
    }
    var exponents = used.exponentParts(prefix: positions).flatMap { Array($0) }
    #expect(used.hasExponents && exponents.count == used.exponentByteCount(prefix: positions))
    let numbers = used.parts(prefix: positions).flatMap { Array($0) }
    let restored = emptyCache(encoding)
    #expect(restore(restored, numbers, exponents))
    #expect(last(restored) == Array(expected.suffix(width)))
    exponents[exponents.count - 1] = 115
    #expect(!restore(restored, numbers, exponents))

    func appendSmall(to cache: KeyValueCache) {
        let (_, key, value) = rows(large: false)
        compute.forTokens(positions, elementCount: width) {
            $0.append(key: key, value: value, to: cache, firstPosition: 0)
        }
    }
    let small = emptyCache(encoding)
    appendSmall(to: small)
    appendSmall(to: used)
    #expect(last(used) == last(small))
    // A snapshot without exponents.
    let large = emptyCache(encoding)
    _ = attend(.best, encoding, cache: large)
    #expect(!small.hasExponents)
    #expect(restore(large, small.parts(prefix: positions).flatMap { Array($0) }, nil))
    #expect(last(large) == last(small))
}
