// SPDX-License-Identifier: Apache-2.0
// A non-escaping closure as two plain words, so that other threads can call it while its owner waits.
// `withoutActuallyEscaping` would do the same with a heap allocation and reference counting in each run.

extension ThreadPool {
    /// The function and the context of a closure of type `(Int) -> Void`.
    ///
    /// A non-escaping closure is passed as these two words and is never retained. So a function that takes
    /// two words can be called as one that takes a closure, and vice versa. Each is wrapped in a struct,
    /// because there a function keeps the calling convention of its own type.
    struct Job {
        private let function: UnsafeRawPointer
        private let context: UnsafeRawPointer?

        private struct TakingWords {
            let call: (UnsafeRawPointer, UnsafeRawPointer?) -> Job
        }
        private struct TakingClosure {
            let call: ((Int) -> Void) -> Job
        }
        private struct RunningWords {
            let call: (UnsafeRawPointer, UnsafeRawPointer?, Int) -> Void
        }
        private struct RunningClosure {
            let call: ((Int) -> Void, Int) -> Void
        }

        /// Calls `operate` with `body` as a job, which must not outlive the call.
        // Not inlined: the closure's context lives at least as long as this function runs.
        @inline(never)
        static func withJob(_ body: (Int) -> Void, _ operate: (Job) -> Void) {
            let words = TakingWords { Job(function: $0, context: $1) }
            operate(unsafeBitCast(words, to: TakingClosure.self).call(body))
        }

        func run(thread: Int) {
            let closure = RunningClosure { body, thread in body(thread) }
            unsafeBitCast(closure, to: RunningWords.self).call(function, context, thread)
        }
    }
}
