// SPDX-License-Identifier: Apache-2.0
// The environment that Hugging Face's own tools read too: HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, REQUESTS_CA_BUNDLE.

import Glibc
import Platform

/// Where the Hub is, and who asks.
package struct HubSettings: Sendable {
    package let endpoint: WebAddress
    /// An access token; nil for none. It is sent to the endpoint's origin only.
    package let token: String?
    /// Whether nothing may be fetched.
    package let isOffline: Bool
    /// A file of trusted certificates in PEM; nil for the system's.
    package let certificates: String?

    package init(
        endpoint: WebAddress, token: String? = nil, isOffline: Bool = false, certificates: String? = nil
    ) {
        (self.endpoint, self.token, self.isOffline) = (endpoint, token, isOffline)
        self.certificates = certificates
    }

    /// Reads the environment; a token may also be in the file where `hf auth login` stores it.
    ///
    /// - Parameter variable: the value of a variable; nil if it is not set.
    /// - Throws: `HubError.invalidSetting`.
    package init(
        variable: (String) -> String? = { name in getenv(name).map { String(cString: $0) } }
    ) throws(HubError) {
        func given(_ name: String) -> String? { variable(name).flatMap { $0.isEmpty ? nil : $0 } }
        let address = given("HF_ENDPOINT") ?? "https://huggingface.co"
        do { endpoint = try WebAddress(address) } catch {
            throw HubError(.invalidSetting, "HF_ENDPOINT: \(error.description)")
        }
        certificates = given("REQUESTS_CA_BUNDLE") ?? given("CURL_CA_BUNDLE")
        isOffline = ["1", "ON", "YES", "TRUE"].contains(given("HF_HUB_OFFLINE")?.uppercased())
        let folder = given("HF_HOME") ?? given("HOME").map { $0 + "/.cache/huggingface" }
        let file = given("HF_TOKEN_PATH") ?? folder.map { $0 + "/token" }
        let stored = file.flatMap { try? readRegularFile(path: $0, limit: 4096).bytes }
        let text = given("HF_TOKEN") ?? stored.map { String(decoding: $0, as: UTF8.self) }
        let token = text?.filter { !$0.isWhitespace } ?? ""
        guard token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw HubError(.invalidSetting, "HF_TOKEN holds other characters than a token can have")
        }
        self.token = token.isEmpty ? nil : token
    }

    /// What an answer's status means for someone who wants a model.
    ///
    /// - Parameter headers: the answer's; `X-Error-Code` and `X-Error-Message` are the Hub's own.
    func error(_ name: String, status: Int, headers: [String: String]) -> HubError {
        let said = headers["x-error-message"].map { " (\($0.prefix(200)))" } ?? ""
        let code = headers["x-error-code"] ?? ""
        switch status {
        case 401 where code != "RepoNotFound" || token == nil, 403:
            let advice =
                token == nil
                ? "it does not exist, is private or gated; HF_TOKEN gives an access token"
                : code == "GatedRepo" || status == 403
                    ? "accept its conditions on its page, with the account of HF_TOKEN"
                    : "the token of HF_TOKEN is not valid"
            return HubError(.denied, "\(name): the Hub denies access with status \(status)\(said): \(advice)")
        case 401, 404, 410:
            let what =
                code == "RevisionNotFound"
                ? "no such revision" : code == "EntryNotFound" ? "no such file" : "no such model"
            return HubError(.notFound, "\(name): \(what) at \(endpoint.text)\(said); check the name")
        case 429:
            let pause = headers["retry-after"].map { " in \($0) s" } ?? " later"
            let advice = token == nil ? ", or set HF_TOKEN, which has a higher limit" : ""
            return HubError(
                .tooManyRequests, "\(name): too many requests (status 429)\(said); try again\(pause)\(advice)"
            )
        case 500...:
            return HubError(
                .unreachable,
                "\(name): the server answers with status \(status)\(said) after \(Exchange.maximumFailureCount) attempts; "
                    + "try again later, what has arrived is kept")
        default:
            return HubError(.invalidAnswer, "\(name): the server answers with status \(status)\(said)")
        }
    }
}
