// SPDX-License-Identifier: Apache-2.0
// Generation as an asynchronous stream. The work runs on a thread of its own: it would block a thread of the
// cooperative pool for seconds.
//
// The small static program is built without it (TILLER_RUN): Swift's concurrency is half a megabyte there that nothing uses.

#if !TILLER_RUN
import Glibc
import Synchronization

extension Session {
    /// Generates like `generate`, as a stream that ends when generation does.
    ///
    /// Ending the iteration early stops the generation. The session belongs to the stream until it has ended.
    public func stream(_ options: GenerationOptions) -> AsyncThrowingStream<GeneratedToken, any Error> {
        AsyncThrowingStream { continuation in
            let isCancelled = CancellationFlag()
            continuation.onTermination = { _ in isCancelled.set() }
            let work = StreamWork(
                session: self, options: options, continuation: continuation, flag: isCancelled)
            work.start()
        }
    }
}

/// A flag that any thread may set.
private final class CancellationFlag: Sendable {
    private let value = Atomic(false)

    func set() { value.store(true, ordering: .relaxed) }
    var isSet: Bool { value.load(ordering: .relaxed) }
}

/// One generation on its way through a thread. The stream's owner promises not to touch the session meanwhile.
private final class StreamWork: @unchecked Sendable {
    private let session: Session
    private let options: GenerationOptions
    private let continuation: AsyncThrowingStream<GeneratedToken, any Error>.Continuation
    private let flag: CancellationFlag

    init(
        session: Session, options: GenerationOptions,
        continuation: AsyncThrowingStream<GeneratedToken, any Error>.Continuation, flag: CancellationFlag
    ) {
        self.session = session
        self.options = options
        self.continuation = continuation
        self.flag = flag
    }

    func start() {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<StreamWork>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            context.release()
            continuation.finish(
                throwing: TillerError.invalidOption("the system refused a thread (error \(code))"))
            return
        }
        pthread_detach(thread)
    }

    private func run() {
        do {
            try session.generate(options) { token in
                continuation.yield(token)
                return !flag.isSet
            }
            continuation.finish()
        } catch { continuation.finish(throwing: error) }
    }
}
#endif
