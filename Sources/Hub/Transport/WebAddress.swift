// SPDX-License-Identifier: Apache-2.0
// Addresses of HTTP, as far as redirects need them (RFC 3986 §5.2): a token goes to one origin only, so origins must be
// compared, and that is not left to a library whose rules differ between versions.

/// An http or https URL without user, password and fragment.
package struct WebAddress: Equatable, Sendable {
    /// "http" or "https".
    package let scheme: String
    /// Host, and port if it is not the scheme's own; in lower case.
    package let host: String
    /// Path and query; begins with a slash.
    package let target: String

    package var text: String { "\(scheme)://\(host)\(target)" }

    /// - Throws: `HubError.invalidSetting` for anything else.
    package init(_ text: String) throws(HubError) {
        let refusal = HubError(
            .invalidSetting, "'\(text)' is no address, expected one like https://huggingface.co")
        // A space or a line break could smuggle in a header.
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), let (scheme, rest) = Self.split(text)
        else {
            throw refusal
        }
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        var host = rest[..<end].lowercased()
        for (own, port) in [("http", ":80"), ("https", ":443")] where scheme == own && host.hasSuffix(port) {
            host.removeLast(port.count)
        }
        guard !host.isEmpty, !host.contains("@"), !host.hasPrefix(":") else { throw refusal }
        let path = rest[end...].prefix { $0 != "#" }
        self.scheme = scheme
        self.host = host
        target = path.hasPrefix("/") ? String(path) : "/" + path
    }

    private static func split(_ text: String) -> (scheme: String, rest: Substring)? {
        for scheme in ["http", "https"] where text.lowercased().hasPrefix(scheme + "://") {
            return (scheme, text.dropFirst(scheme.count + 3))
        }
        return nil
    }

    private init(_ scheme: String, _ host: String, _ target: String) {
        (self.scheme, self.host, self.target) = (scheme, host, target)
    }

    /// Whether both have the same scheme, host and port.
    package func hasOrigin(of other: WebAddress) -> Bool { scheme == other.scheme && host == other.host }

    /// The address with segments added to its path; what has a meaning in addresses is encoded, slashes too.
    package func appending(_ segments: [some StringProtocol], query: String = "") -> WebAddress {
        let base = target.hasSuffix("/") ? String(target.dropLast()) : target
        let path = segments.map { "/" + Self.encoded($0) }.joined()
        return WebAddress(scheme, host, base + path + (query.isEmpty ? "" : "?" + query))
    }

    /// The address that a `Location` or a `Link` means.
    ///
    /// - Throws: `HubError.invalidAnswer` if it is none, or leads from https to http.
    package func following(_ location: String) throws(HubError) -> WebAddress {
        var text = location
        if location.hasPrefix("//") {
            text = "\(scheme):\(location)"
        } else if location.hasPrefix("/") {
            text = "\(scheme)://\(host)\(location)"
        } else if !location.prefix(while: { !"/?#".contains($0) }).contains(":") {
            let folder = target.prefix { $0 != "?" }
            text =
                "\(scheme)://\(host)\(folder[...(folder.lastIndex(of: "/") ?? folder.startIndex)])\(location)"
        }
        guard let next = try? WebAddress(text), next.scheme == scheme || next.scheme == "https" else {
            throw HubError(.invalidAnswer, "\(self.text) redirects to '\(location)', which is not followed")
        }
        return next
    }

    /// Percent-encoding of everything but unreserved characters (RFC 3986 §2.3).
    private static func encoded(_ segment: some StringProtocol) -> String {
        let digits = Array("0123456789ABCDEF")
        return segment.utf8.reduce(into: "") { text, byte in
            let character = Character(Unicode.Scalar(byte))
            if character.isASCII, character.isLetter || character.isNumber || "-._~".contains(character) {
                text.append(character)
            } else {
                text += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
    }
}
