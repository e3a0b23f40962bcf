// SPDX-License-Identifier: Apache-2.0
// Independent pieces of work, spread over threads: layers, folds, samples.

import Platform
import Synchronization

/// `[body(0), body(1), …, body(count - 1)]`, computed in parallel.
///
/// One thread computes each piece from start to end, so results depend neither on the number of threads nor on their
/// scheduling. Several threads may call OpenBLAS at once.
///
/// - Parameter threadCount: positive.
/// - Throws: the error of the lowest index that failed.
package func parallelMap<Value: Sendable, Failure: Error>(
    _ count: Int, threadCount: Int, _ body: (Int) throws(Failure) -> Value
) throws(Failure) -> [Value] {
    let results = Locked([Result<Value, Failure>?](repeating: nil, count: count))
    let next = Atomic(0)
    ThreadPool(threadCount: max(1, min(threadCount, count))).run { _ in
        while case let index = next.add(1, ordering: .relaxed).oldValue, index < count {
            let result = Result { () throws(Failure) in try body(index) }
            results.withLock { $0[index] = result }
        }
    }
    var values: [Value] = []
    values.reserveCapacity(count)
    for case let result? in results.withLock({ $0 }) { values.append(try result.get()) }
    return values
}
