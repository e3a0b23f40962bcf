// SPDX-License-Identifier: Apache-2.0
// Generation as an asynchronous sequence; after its end the session can be used again.
//
// A module of its own: the small static program does without, and so without half a megabyte of Swift's concurrency runtime.

import Tiller

extension Session {
    /// Generates like `generate`, as a sequence that ends when generation ends.
    ///
    /// The session belongs to the loop over the sequence until the loop ends: at the end of the text, by an early exit, or
    /// because its task is cancelled. The session is free immediately afterwards; see `GenerationStream`.
    public func stream(_ options: GenerationOptions) -> GenerationStream {
        GenerationStream(session: self, options: options)
    }
}

/// The tokens of one generation as they are sampled.
///
/// The work begins and ends with the iteration, on its own thread. An early exit from the iteration waits until the thread has
/// finished the token in progress, or a batch of the tokens evaluated before the first one. In a cancelled task the iteration
/// ends by itself, just as soon. The session contains everything generated until then.
public struct GenerationStream: AsyncSequence, @unchecked Sendable {
    // Sendable because the session is only transferred: from the stream's creator to the thread of its iteration.
    private let session: Session
    private let options: GenerationOptions

    init(session: Session, options: GenerationOptions) { (self.session, self.options) = (session, options) }

    /// Starts to generate a continuation of the session's tokens at the time of the call.
    public func makeAsyncIterator() -> Iterator {
        Iterator(worker: GenerationWorker(session: session, options: options))
    }

    /// Yields tokens; generation ends with it.
    public struct Iterator: AsyncIteratorProtocol {
        private let lease: Lease

        fileprivate init(worker: GenerationWorker) {
            lease = Lease(worker: worker)
            worker.start()
        }

        /// The next token; nil after generation has ended and the session is free.
        ///
        /// - Throws: `TillerError`, as `Session.generate` does.
        public func next() async throws -> GeneratedToken? { try await lease.worker.next() }
    }

    /// Ends the generation when the last copy of an iterator is released.
    private final class Lease: Sendable {
        let worker: GenerationWorker
        init(worker: GenerationWorker) { self.worker = worker }
        deinit { worker.end() }
    }
}
