// SPDX-License-Identifier: Apache-2.0
// What waiting threads ask for is what they read next.

import Kernels
import Platform
import Quantization
import Testing

@Suite struct UpcomingWeightsTests {
    @Test(arguments: [1, 2, 3, 4, 40])
    func eachThreadBeginsWhereItsShareOfTheTilesDoes(threadCount: Int) throws {
        // 36, 12 and 11 tiles, of different sizes.
        let matrices = [
            TestMatrix(.int4, rows: 576, columns: 64), TestMatrix(.int8, rows: 192, columns: 64),
            TestMatrix(.int4, rows: 170, columns: 64),
        ].map { $0.weights }
        let tiles = matrices.flatMap { matrix in
            let size = matrix.byteCount / ((matrix.rows + 15) / 16)
            return stride(from: 0, to: matrix.byteCount, by: size).map { matrix.baseAddress + $0 }
        }
        let upcoming = PrefetchHint(matrices[0], matrices[1], matrices[2])
        let shares = WorkStealingRanges(threadCount: threadCount)
        shares.divide((tiles.count + 1) / 2)
        for thread in 0..<threadCount {
            var first: Int?
            shares.forEachPart(of: thread) { first = first ?? $0.lowerBound * 2 }
            // Whoever comes late finds its share taken, but never its first pair of tiles.
            let bytes = upcoming.first(of: thread, threadCount: threadCount)
            guard threadCount < tiles.count / 2 else {
                #expect(bytes.isEmpty || tiles.contains { $0 == bytes.baseAddress })
                continue
            }
            #expect(bytes.baseAddress == tiles[try #require(first)])
            let matrix = try #require(matrices.first { $0.contains(bytes) })
            #expect(matrix.baseAddress + matrix.byteCount == bytes.baseAddress.map { $0 + bytes.count })
        }
    }

    @Test func noMoreIsAskedForThanASecondCacheHolds() {
        let matrix = TestMatrix(.int8, rows: 1024, columns: 512).weights
        let bytes = PrefetchHint(matrix).first(of: 1, threadCount: 2)
        #expect(bytes.baseAddress == matrix.baseAddress + matrix.byteCount / 2)
        #expect(bytes.count == PrefetchHint.byteCount)
    }
}

extension WeightMatrix {
    fileprivate func contains(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress else { return false }
        return start >= baseAddress && start < baseAddress + byteCount
    }
}
