// SPDX-License-Identifier: Apache-2.0
// One request of HTTP on its way: what is sent, and what has been received of the answer.

import CCurl
import Glibc

/// A request and its answer so far. libcurl calls it back, so it must live until it is removed from the transfers.
final class Transfer {
    let handle: CurlLibrary.Handle
    /// The answer's status; 0 before it is known.
    private(set) var status = 0
    /// The answer's headers, with names in lower case.
    private(set) var headers: [String: String] = [:]
    /// The error of `receive`, which ended the transfer.
    private(set) var failure: (any Error)?
    private let library: CurlLibrary
    private let receive: (Transfer, UnsafeRawBufferPointer) throws -> Void
    private let errorBuffer = UnsafeMutablePointer<CChar>.allocate(capacity: errorByteCount)
    private var list: CurlLibrary.Handle?

    /// CURL_ERROR_SIZE.
    private static let errorByteCount = 256
    private static let maximumHeaderCount = 256

    /// Prepares a request.
    ///
    /// - Parameters:
    ///   - range: the bytes to ask for; nil for all.
    ///   - certificates: a file of trusted certificates; nil for the system's.
    ///   - receive: called with bytes of the body as they arrive; its error ends the transfer.
    init(
        _ library: CurlLibrary, _ address: WebAddress, headers: [String], range: Range<Int>?,
        certificates: String?,
        receive: @escaping (Transfer, UnsafeRawBufferPointer) throws -> Void
    ) throws(HubError) {
        guard let handle = library.easyInit() else {
            throw HubError(.libraryMissing, "libcurl cannot begin a transfer, probably for lack of memory")
        }
        self.library = library
        self.handle = handle
        self.receive = receive
        errorBuffer.update(repeating: 0, count: Self.errorByteCount)
        for header in headers {
            list = library.listAppend(list, header) ?? list
        }
        library.set(.url, address.text, of: handle)
        library.set(.httpHeader, UnsafeRawPointer(list), of: handle)
        if let range { library.set(.range, "\(range.lowerBound)-\(range.upperBound - 1)", of: handle) }
        library.set(.errorBuffer, UnsafeRawPointer(errorBuffer), of: handle)
        if let certificates { library.set(.certificates, certificates, of: handle) }
        // HTTP and HTTPS. Version 1.1, because parallel ranges would share one connection of version 2.
        library.set(.protocols, 3, of: handle)
        library.set(.httpVersion, 2, of: handle)
        library.set(.noSignal, 1, of: handle)
        library.set(.connectTimeout, 30, of: handle)
        // Less than 100 bytes/s during a minute is a broken connection.
        library.set(.lowSpeedLimit, 100, of: handle)
        library.set(.lowSpeedTime, 60, of: handle)
        let context = UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque())
        library.set(.writeData, context, of: handle)
        library.set(.headerData, context, of: handle)
        library.set(
            .writeFunction,
            { bytes, size, count, context in
                Transfer.pass(bytes, size * count, context) { $0.receiveBody($1) }
            }, of: handle)
        library.set(
            .headerFunction,
            { bytes, size, count, context in
                Transfer.pass(bytes, size * count, context) { $0.receiveHeader($1) }
            }, of: handle)
    }

    deinit {
        library.easyCleanup(handle)
        library.listFree(list)
        errorBuffer.deallocate()
    }

    /// libcurl's words for a code, with what it noted about this transfer.
    func text(of code: Int32) -> String {
        let noted = String(cString: errorBuffer)
        return noted.isEmpty ? library.errorText(code).map { String(cString: $0) } ?? "error \(code)" : noted
    }

    /// Passes what libcurl has received to a transfer; returns how much of it was taken.
    private static func pass(
        _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int, _ context: UnsafeMutableRawPointer?,
        _ take: (Transfer, UnsafeRawBufferPointer) -> Bool
    ) -> Int {
        guard let context else { return 0 }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        return take(transfer, UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
    }

    private func receiveBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        do { try receive(self, bytes) } catch {
            failure = error
            return false
        }
        return true
    }

    private func receiveHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let line = String(decoding: bytes, as: UTF8.self).filter { $0 != "\r\n" && $0 != "\n" && $0 != "\r" }
        if line.hasPrefix("HTTP/") {
            // A new answer begins: before it may have come "100 Continue", or that of a proxy.
            headers = [:]
            status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        } else if let colon = line.firstIndex(of: ":"), headers.count < Self.maximumHeaderCount {
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            headers[line[..<colon].lowercased()] = String(value)
        }
        return true
    }
}
