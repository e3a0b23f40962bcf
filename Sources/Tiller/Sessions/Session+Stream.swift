// SPDX-License-Identifier: Apache-2.0
// Generation as an asynchronous sequence, whose end says that the session is free again.
//
// The small static program is built without it (TILLER_RUN): Swift's concurrency is half a megabyte there that nothing uses.

#if !TILLER_RUN
extension Session {
    /// Generates like `generate`, as a sequence that ends when generation does.
    ///
    /// The session belongs to the loop over the sequence until that has ended: with the text, by leaving it early, or because its
    /// task was cancelled. Then the session is free at once; see `GenerationStream`.
    public func stream(_ options: GenerationOptions) -> GenerationStream {
        GenerationStream(session: self, options: options)
    }
}

/// The tokens of one generation as they come.
///
/// The work begins with the iteration, on a thread of its own, and ends with it. Whoever leaves the iteration early waits until the
/// thread is done with the token in progress, or with a batch of what has to be evaluated before the first one. A cancelled task's
/// iteration ends by itself, just as soon. What was generated up to then is in the session.
public struct GenerationStream: AsyncSequence, @unchecked Sendable {
    // Sendable since the session is only passed on: from whoever made the stream to the thread of its iteration.
    private let session: Session
    private let options: GenerationOptions

    init(session: Session, options: GenerationOptions) { (self.session, self.options) = (session, options) }

    /// Starts to generate, after the session's tokens as they are then.
    public func makeAsyncIterator() -> Iterator {
        Iterator(worker: GenerationWorker(session: session, options: options))
    }

    /// Hands out tokens; its end is the end of the generation.
    public struct Iterator: AsyncIteratorProtocol {
        private let lease: Lease

        fileprivate init(worker: GenerationWorker) {
            lease = Lease(worker: worker)
            worker.start()
        }

        /// The next token; nil when generation has ended, and the session is free.
        ///
        /// - Throws: `TillerError`, as `Session.generate` does.
        public func next() async throws -> GeneratedToken? { try await lease.worker.next() }
    }

    /// Ends the generation when the last copy of an iterator is gone.
    private final class Lease: Sendable {
        let worker: GenerationWorker
        init(worker: GenerationWorker) { self.worker = worker }
        deinit { worker.end() }
    }
}
#endif
