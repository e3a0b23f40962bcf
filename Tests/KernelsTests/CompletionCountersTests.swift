// SPDX-License-Identifier: Apache-2.0
// Exactly one thread puts a result together, and it sees all parts.

import Kernels
import Platform
import Testing

@Suite struct CountdownsTests {
    @Test(arguments: [1, 2, 3, 7], [1, 2, 5, 64])
    func whoeverEndsTheLastPartSeesAll(threadCount: Int, partCount: Int) {
        let pool = ThreadPool(threadCount: threadCount)
        let shares = WorkStealingRanges(threadCount: threadCount)
        let countdowns = CompletionCounters()
        let resultCount = 3
        let parts = granted(try AlignedBuffer<Int>(count: resultCount * partCount))
        let sums = granted(try AlignedBuffer<Int>(count: resultCount)),
            ends = granted(try AlignedBuffer<Int>(count: resultCount))
        for run in 1...50 {
            countdowns.start(resultCount, each: partCount)
            shares.divide(resultCount * partCount)
            pool.run { thread in
                shares.forEachPart(of: thread) { units in
                    for unit in units {
                        let result = unit / partCount
                        parts[unit] = run * (unit + 1)
                        guard countdowns.finish(1, of: result) else { continue }
                        ends[result] += 1
                        sums[result] = (0..<partCount).reduce(0) { $0 + parts[result * partCount + $1] }
                    }
                }
            }
            for result in 0..<resultCount {
                let first = result * partCount + 1
                #expect(sums[result] == run * (0..<partCount).reduce(0) { $0 + first + $1 })
            }
        }
        for result in 0..<resultCount { #expect(ends[result] == 50) }
    }
}
