// SPDX-License-Identifier: Apache-2.0
// Threads of a test's own: Swift's cooperative pool has no more than processors, and blocking them stalls other tests.

import Glibc
import Synchronization

/// Runs `body` on as many threads at once, however many processors there are, and waits for all.
///
/// - Returns: what each thread gave, by index.
/// - Throws: the error of the first thread, by index, that has one.
package func onThreads<Value: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (Int) throws -> Value
) throws -> [Value] {
    let works = (0..<count).map { index in ThreadWork { try body(index) } }
    let threads = works.map { $0.start() }
    for thread in threads { pthread_join(thread, nil) }
    return try works.map { try $0.value() }
}

private final class ThreadWork<Value: Sendable>: Sendable {
    private let body: @Sendable () throws -> Value
    private let result = Mutex<Result<Value, any Error>?>(nil)

    init(_ body: @escaping @Sendable () throws -> Value) { self.body = body }

    func start() -> pthread_t {
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(ThreadBody { [self] in run() }).toOpaque())
        precondition(code == 0, "the system refused a thread (error \(code))")
        return thread
    }

    private func run() {
        let found = Result { try body() }
        result.withLock { $0 = found }
    }

    func value() throws -> Value {
        guard let result = result.withLock({ $0 }) else { preconditionFailure("the thread has not run") }
        return try result.get()
    }
}

/// What a thread's C function, which can be of no generic type, finds in its argument.
private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
