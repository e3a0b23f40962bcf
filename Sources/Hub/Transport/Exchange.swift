// SPDX-License-Identifier: Apache-2.0
// One thing to fetch, over as many requests as it takes: redirects, pauses that the server asks for, broken connections.

import Platform

/// A body, or a byte range of a file, that is being fetched.
final class Exchange {
    /// What is fetched, for errors.
    let name: String
    /// Where every attempt begins, unless a redirect is known.
    let address: WebAddress
    /// The bytes of the file; nil for a body of unknown size.
    let range: Range<Int>?
    /// The file's size, if there is a range.
    let byteCount: Int
    /// Takes bytes, with their position in the file or body. A position of 0 may come again, after a broken attempt.
    private let sink: (UnsafeRawBufferPointer, Int) throws -> Void
    /// Called once, when all bytes have arrived.
    let finish: () throws -> Void

    /// The present request's address.
    var location: WebAddress
    /// Bytes that have arrived in order.
    private(set) var received = 0
    private var receivedBefore = 0
    private var isChecked = false
    /// Failed attempts since the last one that got anywhere.
    private(set) var failureCount = 0
    var redirectCount = 0
    /// The `Link` of the last answer, which names the next page of a list.
    var link: String?
    /// When the next attempt may begin.
    private(set) var dueTime = 0.0

    /// An attempt that received this much was not in vain.
    private static let progressByteCount = 1 << 20
    static let maximumFailureCount = 5

    init(
        name: String, address: WebAddress, range: Range<Int>? = nil, of byteCount: Int = 0,
        sink: @escaping (UnsafeRawBufferPointer, Int) throws -> Void, finish: @escaping () throws -> Void = {}
    ) {
        self.name = name
        self.address = address
        self.range = range
        self.byteCount = byteCount
        self.sink = sink
        self.finish = finish
        location = address
    }

    /// The range to ask the server for; nil for the whole body.
    var requestedRange: Range<Int>? {
        guard let range, range != 0..<byteCount || received > 0 else { return nil }
        return range.lowerBound + received..<range.upperBound
    }

    /// Whether everything has arrived, if that can be known.
    var isComplete: Bool { range.map { received == $0.count } ?? true }

    /// Prepares for a new request.
    func begin() {
        isChecked = false
        if range == nil { received = 0 }
        receivedBefore = received
    }

    /// Takes bytes of a successful answer.
    /// - Throws: `HubError` if they are other bytes than those wanted, or errors of the sink.
    func receive(_ bytes: UnsafeRawBufferPointer, of transfer: Transfer) throws {
        guard transfer.status == 200 || transfer.status == 206 else { return }
        if !isChecked { try check(transfer) }
        isChecked = true
        guard let range else {
            try sink(bytes, received)
            received += bytes.count
            return
        }
        guard bytes.count <= range.count - received else {
            throw HubError(
                .invalidAnswer,
                "\(name): \(location.host) sends more than the \(range.count) bytes that are listed")
        }
        try sink(bytes, range.lowerBound + received)
        received += bytes.count
    }

    /// Compares an answer's range with the one that was asked for.
    private func check(_ transfer: Transfer) throws(HubError) {
        let wanted = requestedRange
        if transfer.status == 206, let wanted {
            let found = transfer.headers["content-range"] ?? "none"
            let expected = "bytes \(wanted.lowerBound)-\(wanted.upperBound - 1)/\(byteCount)"
            guard found != expected else { return }
            throw HubError(
                .rangesUnsupported,
                "\(name): \(location.host) sends the range '\(found)', expected '\(expected)'")
        }
        guard transfer.status == 200 else {
            throw HubError(.invalidAnswer, "\(name): \(location.host) sends a part, expected the whole")
        }
        guard wanted != nil else { return }
        guard range == 0..<byteCount else {
            throw HubError(.rangesUnsupported, "\(name): \(location.host) sends no byte ranges")
        }
        // The whole file comes again.
        (received, receivedBefore) = (0, 0)
    }

    /// Plans another attempt.
    ///
    /// - Parameters:
    ///   - pause: the seconds to wait; they double with each failure after the first.
    ///   - error: thrown if there have been enough attempts.
    func retry(after pause: Double, or error: HubError) throws(HubError) {
        failureCount = received - receivedBefore >= Self.progressByteCount ? 1 : failureCount + 1
        guard failureCount < Self.maximumFailureCount else { throw error }
        redirectCount = 0
        dueTime = MonotonicClock.now() + pause * Double(1 << (failureCount - 1))
    }
}
