// SPDX-License-Identifier: Apache-2.0
// Fetches several things at once on one thread. Redirects are followed here, not by libcurl: the token must never reach
// another host, whatever the library's version.

import Glibc
import Platform

/// A client of HTTP with libcurl.
final class HTTPClient {
    private let library: CurlLibrary
    private let multi: CurlLibrary.Handle
    private let settings: HubSettings
    /// Where addresses were last redirected to; storage networks sign such addresses for about an hour.
    private var redirects: [String: WebAddress] = [:]
    /// Called with a sentence about a pause that a server asks for.
    private let notice: (String) -> Void

    /// Seconds after a first failure.
    private let pause: Double

    private static let parallelCount = 4
    private static let maximumRedirectCount = 10
    /// The longest pause that a server may ask for, in seconds.
    private static let maximumPause = 120.0

    /// - Parameter pause: seconds after a first failure.
    /// - Throws: `HubError.libraryMissing`.
    init(_ settings: HubSettings, pause: Double, notice: @escaping (String) -> Void) throws(HubError) {
        library = try CurlLibrary()
        guard let multi = library.multiInit() else {
            throw HubError(.libraryMissing, "libcurl cannot be initialized")
        }
        self.multi = multi
        self.settings = settings
        self.pause = pause
        self.notice = notice
    }

    deinit { _ = library.multiCleanup(multi) }

    /// Fetches all, in about this order.
    ///
    /// - Parameter progress: called a few times a second with the bytes received so far.
    /// - Throws: `HubError`, or errors of what takes the bytes.
    func run(_ exchanges: [Exchange], progress: (Int) -> Void = { _ in }) throws {
        var waiting = exchanges[...]
        var running: [CurlLibrary.Handle: (transfer: Transfer, exchange: Exchange)] = [:]
        defer { for handle in running.keys { _ = library.multiRemove(multi, handle) } }
        while !waiting.isEmpty || !running.isEmpty {
            let now = MonotonicClock.now()
            while running.count < Self.parallelCount,
                let index = waiting.firstIndex(where: { $0.dueTime <= now })
            {
                let exchange = waiting.remove(at: index)
                let transfer = try begin(exchange)
                running[transfer.handle] = (transfer, exchange)
            }
            var count: Int32 = 0
            _ = library.multiPerform(multi, &count)
            while let message = library.multiRead(multi, &count) {
                guard message.pointee.kind == 1, let handle = message.pointee.handle,
                    let (transfer, exchange) = running.removeValue(forKey: handle)
                else { continue }
                let code = message.pointee.data.code
                _ = library.multiRemove(multi, handle)
                if try isDone(exchange, transfer, code) {
                    try exchange.finish()
                } else {
                    waiting.insert(exchange, at: waiting.startIndex)
                }
            }
            progress(exchanges.reduce(0) { $0 + $1.received })
            let isReady = running.count < Self.parallelCount && waiting.contains { $0.dueTime <= now }
            guard !isReady, !running.isEmpty || !waiting.isEmpty else { continue }
            // Without a transfer nothing wakes this up before the next attempt is due.
            _ = library.multiPoll(multi, nil, 0, running.isEmpty ? 20 : 100, nil)
        }
    }

    private func begin(_ exchange: Exchange) throws(HubError) -> Transfer {
        exchange.begin()
        if exchange.location == exchange.address, let known = redirects[exchange.address.text] {
            exchange.location = known
        }
        var headers = ["User-Agent: tiller", "Accept: */*"]
        if let token = settings.token, exchange.location.hasOrigin(of: settings.endpoint) {
            headers.append("Authorization: Bearer \(token)")
        }
        let transfer = try Transfer(
            library, exchange.location, headers: headers, range: exchange.requestedRange,
            certificates: settings.certificates
        ) { transfer, bytes in try exchange.receive(bytes, of: transfer) }
        guard library.multiAdd(multi, transfer.handle) == 0 else {
            throw HubError(.libraryMissing, "libcurl cannot begin a transfer, probably for lack of memory")
        }
        return transfer
    }

    /// Judges a request that has ended: whether everything has arrived, or another one is needed.
    private func isDone(_ exchange: Exchange, _ transfer: Transfer, _ code: Int32) throws -> Bool {
        if let failure = transfer.failure { throw failure }
        let status = transfer.status
        if (300..<400).contains(status), let location = transfer.headers["location"] {
            try follow(exchange, to: location)
            return false
        }
        // A connection that breaks after the last byte has done its work.
        if code == 0 || exchange.range != nil, (200..<300).contains(status), exchange.isComplete {
            exchange.link = transfer.headers["link"]
            return true
        }
        let host = exchange.location.host
        if status >= 400, exchange.location != exchange.address,
            !exchange.location.hasOrigin(of: settings.endpoint), status < 500, status != 429
        {
            // A signed address that has expired.
            redirects[exchange.address.text] = nil
            exchange.location = exchange.address
            try exchange.retry(
                after: pause, or: settings.error(exchange.name, status: status, headers: transfer.headers))
        } else if status == 429 || status == 503, let pause = Self.pause(transfer.headers) {
            let error = settings.error(exchange.name, status: status, headers: transfer.headers)
            guard pause <= Self.maximumPause else { throw error }
            try exchange.retry(after: pause, or: error)
            if pause >= 2 { notice("\(host) asks for a pause of \(Int(pause)) s") }
        } else if status == 429 || status == 408 || status >= 500 {
            try exchange.retry(
                after: pause, or: settings.error(exchange.name, status: status, headers: transfer.headers))
        } else if status >= 300 {
            throw settings.error(exchange.name, status: status, headers: transfer.headers)
        } else {
            let reason = code == 0 ? "the answer ends early" : transfer.text(of: code)
            let error = HubError(.unreachable, "\(exchange.name): \(host) cannot be read: \(reason)")
            // A protocol, an address or a certificate that will be as wrong the next time.
            guard ![1, 3, 35, 51, 58, 60, 77, 83].contains(code) else { throw error }
            try exchange.retry(after: pause, or: error)
        }
        return false
    }

    private func follow(_ exchange: Exchange, to location: String) throws(HubError) {
        exchange.redirectCount += 1
        guard exchange.redirectCount <= Self.maximumRedirectCount else {
            throw HubError(
                .invalidAnswer, "\(exchange.name): more than \(Self.maximumRedirectCount) redirects")
        }
        exchange.location = try exchange.location.following(location)
        redirects[exchange.address.text] = exchange.location
    }

    /// The seconds of `Retry-After`; nil without it, or if it is a date.
    private static func pause(_ headers: [String: String]) -> Double? {
        headers["retry-after"].flatMap { Int($0) }.map { Double(max(0, $0)) }
    }
}
