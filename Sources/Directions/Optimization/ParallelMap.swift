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

/// The same for the elements of an array, one chunk of them after another.
///
/// - Parameter onChunk: called after each chunk with the number of elements done.
/// - Throws: also what `onChunk` throws, which ends the work.
package func parallelMap<Element, Value: Sendable>(
    _ elements: [Element], threadCount: Int, onChunk: (Int) throws -> Void,
    _ body: (Element) throws -> Value
) throws -> [Value] {
    var values: [Value] = []
    for start in stride(from: 0, to: elements.count, by: threadCount) {
        let chunk = elements[start..<min(start + threadCount, elements.count)]
        values += try parallelMap(chunk.count, threadCount: threadCount) { try body(chunk[start + $0]) }
        try onChunk(values.count)
    }
    return values
}
