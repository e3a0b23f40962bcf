// SPDX-License-Identifier: Apache-2.0
// One generation on a thread of its own: it would block a thread of Swift's cooperative pool for seconds.

#if !TILLER_RUN
import Glibc
import Platform

/// Generates on a thread and keeps the tokens until they are asked for.
///
/// The session is touched by the thread alone from `start` until `next` has returned nil, has thrown, or `end` has returned.
final class GenerationWorker: @unchecked Sendable {
    /// What the thread and who waits for it share.
    private struct State {
        /// Tokens that nobody has asked for yet, the first one last where they are taken from: `taken` of them are gone.
        var tokens: [GeneratedToken] = []
        var taken = 0
        /// Who waits for the next token.
        var waiting: CheckedContinuation<GeneratedToken?, any Error>?
        /// How generation ended; an error is handed out once.
        var end: Result<GeneratedToken?, any Error>?
        /// Whether nobody wants more tokens.
        var isStopped = false

        /// What can be handed out now; nil while that is still to come.
        mutating func takeNext() -> Result<GeneratedToken?, any Error>? {
            if taken < tokens.count {
                taken += 1
                return .success(tokens[taken - 1])
            }
            tokens.removeAll(keepingCapacity: true)
            taken = 0
            defer { if end != nil { end = .success(nil) } }
            return end
        }
    }

    private let session: Session
    private let options: GenerationOptions
    private let state = Locked(State())
    /// The thread, from `start` until `end`; both are called by the iterator's owner.
    private var thread: pthread_t?

    init(session: Session, options: GenerationOptions) { (self.session, self.options) = (session, options) }

    // MARK: - For the iterator

    /// Starts the thread. Where the system refuses one, `next` says so.
    func start() {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<GenerationWorker>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            context.release()
            return finish(.failure(TillerError.invalidOption("the system refused a thread (error \(code))")))
        }
        self.thread = thread
    }

    /// Waits for the next token; nil after the last. In a cancelled task no more tokens are drawn than the one in progress.
    ///
    /// - Precondition: nobody else waits.
    func next() async throws -> GeneratedToken? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let found = state.withLock { state -> Result<GeneratedToken?, any Error>? in
                    if let found = state.takeNext() { return found }
                    precondition(state.waiting == nil, "GenerationStream: two tasks wait for one iterator")
                    state.waiting = continuation
                    return nil
                }
                if let found { continuation.resume(with: found) }
            }
        } onCancel: {
            stop()
        }
    }

    /// Ends the generation and returns when the session is free.
    func end() {
        stop()
        if let thread { pthread_join(thread, nil) }
        thread = nil
    }

    private func stop() { state.withLock { $0.isStopped = true } }

    // MARK: - On the thread

    private var isStopped: Bool { state.withLock { $0.isStopped } }

    private func run() {
        do {
            _ = try session.generate(options, readingPromptWhile: { !isStopped }) { token in
                add(token)
                return !isStopped
            }
            finish(.success(nil))
        } catch { finish(.failure(error)) }
    }

    private func add(_ token: GeneratedToken) {
        let waiting = state.withLock { state in
            defer { state.waiting = nil }
            if state.waiting == nil { state.tokens.append(token) }
            return state.waiting
        }
        waiting?.resume(returning: token)
    }

    private func finish(_ result: Result<GeneratedToken?, any Error>) {
        let waiting = state.withLock { state in
            defer { state.waiting = nil }
            state.end = state.waiting == nil ? result : .success(nil)
            return state.waiting
        }
        waiting?.resume(with: result)
    }
}
#endif
