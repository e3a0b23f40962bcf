// SPDX-License-Identifier: Apache-2.0
// Reads gzip (RFC 1952) with the system's zlib, which is opened when something is compressed.

import CZlib
import Glibc
import Platform

/// Why bytes cannot be decompressed.
package struct GzipError: Error, Equatable, CustomStringConvertible {
    package enum Reason: Sendable {
        /// zlib is not installed, or too old.
        case libraryMissing
        /// The data ends within a member, or are no gzip.
        case truncated, damaged
        /// More bytes than the caller takes.
        case tooLarge
    }

    package let reason: Reason
    package let description: String
}

/// Data in the format of gzip.
package enum Gzip {
    /// Whether data begin as gzip does, which no UTF-8 text can.
    package static func isGzip(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1F, 0x8B]) }

    /// The content of one or several members, one after the other.
    ///
    /// - Parameter limit: the maximum number of bytes of the content; memory is bounded by it.
    /// - Throws: `GzipError`; the checksum and the length at the end of each member have been compared otherwise.
    package static func content(of bytes: [UInt8], limit: Int) throws(GzipError) -> [UInt8] {
        try InflateStream().content(of: bytes, limit: limit)
    }
}

/// zlib's state while it decompresses.
private final class InflateStream {
    private typealias Stream = UnsafeMutablePointer<zlib_stream>

    private let stream: Stream
    private let inflate: @convention(c) (Stream, Int32) -> Int32
    private let reset: @convention(c) (Stream) -> Int32
    private let end: @convention(c) (Stream) -> Int32

    private static let chunkByteCount = 1 << 18
    // Codes of zlib.h.
    private static let ended: Int32 = 1, lacksInput: Int32 = -5

    init() throws(GzipError) {
        let handle: UnsafeMutableRawPointer
        do throws(SystemLibraryError) {
            handle = try SystemLibrary.open(SystemLibrary.candidates(named: ["libz.so.1", "libz.so"]))
        } catch {
            throw GzipError(
                reason: .libraryMissing,
                description: "compressed files need zlib, which cannot be opened from the system's folders "
                    + "(\(error.reason)); Debian, Ubuntu: apt-get install zlib1g")
        }
        func find<Function>(_ name: String, as type: Function.Type) throws(GzipError) -> Function {
            guard let address = dlsym(handle, name) else {
                throw GzipError(reason: .libraryMissing, description: "the installed zlib has no \(name)")
            }
            return unsafeBitCast(address, to: type)
        }
        let begin = try find(
            "inflateInit2_", as: (@convention(c) (Stream, Int32, UnsafePointer<CChar>, Int32) -> Int32).self)
        inflate = try find("inflate", as: (@convention(c) (Stream, Int32) -> Int32).self)
        reset = try find("inflateReset", as: (@convention(c) (Stream) -> Int32).self)
        end = try find("inflateEnd", as: (@convention(c) (Stream) -> Int32).self)
        stream = Stream.allocate(capacity: 1)
        stream.initialize(to: zlib_stream())
        // The largest window, and gzip's header and trailer only. Of the version, zlib compares the first character.
        let code = begin(stream, 15 + 16, "1.2.0", Int32(MemoryLayout<zlib_stream>.size))
        guard code == 0 else {
            throw GzipError(reason: .libraryMissing, description: "zlib cannot be used: error \(code)")
        }
    }

    deinit {
        // Of a state that could not be made, zlib has nothing to free.
        _ = end(stream)
        stream.deallocate()
    }

    func content(of bytes: [UInt8], limit: Int) throws(GzipError) -> [UInt8] {
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: Self.chunkByteCount)
        var position = 0
        while true {
            let (read, written, code) = step(bytes, from: position, into: &chunk)
            position += read
            guard written <= limit - result.count else {
                throw GzipError(
                    reason: .tooLarge,
                    description:
                        "its content has more than \(limit) bytes, which is the most that is accepted here")
            }
            result.append(contentsOf: chunk[..<written])
            if code == Self.ended {
                // Another member may follow.
                guard position < bytes.count else { return result }
                _ = reset(stream)
                continue
            }
            guard code == 0 || code == Self.lacksInput else {
                let words = stream.pointee.message.map { ": " + String(cString: $0) } ?? ""
                throw GzipError(
                    reason: .damaged, description: "its gzip data are damaged before byte \(position)\(words)"
                )
            }
            guard read + written > 0 else {
                throw GzipError(
                    reason: .truncated, description: "its gzip data end too early, after \(bytes.count) bytes"
                )
            }
        }
    }

    /// Decompresses until the input, the chunk or the member ends.
    private func step(
        _ bytes: [UInt8], from position: Int, into chunk: inout [UInt8]
    ) -> (read: Int, written: Int, code: Int32) {
        bytes.withUnsafeBufferPointer { input in
            chunk.withUnsafeMutableBufferPointer { output in
                // Sizes are 32-bit there.
                let available = min(input.count - position, 1 << 30)
                stream.pointee.next_in = input.baseAddress.map { $0 + position }
                stream.pointee.available_in = UInt32(available)
                stream.pointee.next_out = output.baseAddress
                stream.pointee.available_out = UInt32(output.count)
                let code = inflate(stream, 0)
                return (
                    available - Int(stream.pointee.available_in),
                    output.count - Int(stream.pointee.available_out), code
                )
            }
        }
    }
}
