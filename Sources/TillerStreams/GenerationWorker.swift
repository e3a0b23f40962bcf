// SPDX-License-Identifier: Apache-2.0
// A generation on its own thread: it would block a thread of Swift's cooperative pool for seconds.

import Glibc
import Platform
import Tiller

/// Generates on a thread and queues the tokens until the iterator takes them.
///
/// Only the thread accesses the session from `start` until `next` has returned nil or thrown, or `end` has returned.
final class GenerationWorker: @unchecked Sendable {
    /// State shared by the thread and the iterator.
    private struct State {
        /// Generated tokens in order; the iterator has taken the first `taken` of them.
        var tokens: [GeneratedToken] = []
        var taken = 0
        /// The continuation that waits for the next token.
        var waiting: CheckedContinuation<GeneratedToken?, any Error>?
        /// How generation ended; an error is delivered once.
        var end: Result<GeneratedToken?, any Error>?
        /// Whether the iterator wants no more tokens.
        var isStopped = false

        /// The next result to deliver; nil if there is none yet.
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
    /// The thread, from `start` until `end`; the iterator's owner calls both.
    private var thread: pthread_t?

    init(session: Session, options: GenerationOptions) { (self.session, self.options) = (session, options) }

    // MARK: - For the iterator

    /// Starts the thread. If the system refuses one, `next` throws.
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

    /// Waits for the next token; nil after the last. In a cancelled task only the token in progress is completed.
    ///
    /// - Precondition: there is no other waiting caller.
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
