// SPDX-License-Identifier: Apache-2.0
// Work is done once, whoever does it.

import Glibc
import Kernels
import Platform
import Testing

@Suite struct WorkSharesTests {
    @Test(arguments: [1, 2, 3, 7], [0, 1, 2, 7, 16, 61, 3072])
    func eachUnitIsRunOnce(threadCount: Int, unitCount: Int) {
        let pool = ThreadPool(threadCount: threadCount)
        let shares = WorkStealingRanges(threadCount: threadCount)
        let runs = granted(try AlignedBuffer<Int>(count: max(unitCount, 1)))
        for _ in 0..<50 {
            shares.divide(unitCount)
            pool.run { thread in
                shares.forEachPart(of: thread) { part in
                    for unit in part { runs[unit] += 1 }
                }
            }
        }
        for unit in 0..<unitCount { #expect(runs[unit] == 50) }
    }

    @Test func aThreadThatIsDoneTakesWhatOthersHaveLeft() {
        let shares = WorkStealingRanges(threadCount: 2)
        shares.divide(64)
        var taken: [Range<Int>] = []
        shares.forEachPart(of: 1) { taken.append($0) }
        // Its own share in order, then the last eighth of the other one.
        #expect(taken.first == 32..<60)
        #expect(taken.flatMap { $0 } == Array(32..<64) + Array(28..<32))
        taken = []
        shares.forEachPart(of: 0) { taken.append($0) }
        #expect(taken == [0..<28])
    }
}
