// SPDX-License-Identifier: Apache-2.0
// Why a model cannot be downloaded.

/// An error of a download, in one sentence that says what to do.
package struct HubError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: Sendable {
        /// libcurl is not installed, or too old.
        case libraryMissing
        /// A setting or a name has no valid form.
        case invalidSetting, invalidName
        /// Offline mode, and not everything is there.
        case offline
        /// 401 and 403: private or gated.
        case denied
        /// 404 and 410.
        case notFound
        /// 429.
        case tooManyRequests
        /// 5xx, time-outs and broken connections, after several attempts.
        case unreachable
        /// An answer that HTTP or the Hub's interface does not permit.
        case invalidAnswer
        /// The server sends no byte ranges, or other ones than it was asked for.
        case rangesUnsupported
        /// The bytes have another SHA-256 than the Hub lists.
        case damaged
        /// Nothing in the repository can be converted.
        case noModel
    }

    package let reason: Reason
    package let description: String

    package init(_ reason: Reason, _ description: String) {
        self.reason = reason
        self.description = description
    }
}
