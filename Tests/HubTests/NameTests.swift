// SPDX-License-Identifier: Apache-2.0
// Names, addresses and settings, without a network.

import Hub
import TestSupport
import Testing

struct NameTests {
    @Test func aNameHasATypeAndARevision() throws {
        let name = try RepositoryName("HuggingFaceTB/SmolLM2-135M:Q4_K_M@refs/pr/3")
        #expect(name.repository == "HuggingFaceTB/SmolLM2-135M")
        #expect(name.tag == "Q4_K_M" && name.revision == "refs/pr/3")
        #expect(name.folder == "HuggingFaceTB/SmolLM2-135M@refs-pr-3")
        #expect("\(name)" == "HuggingFaceTB/SmolLM2-135M:Q4_K_M@refs/pr/3")
        #expect(try RepositoryName("a/b").folder == "a/b")
    }

    @Test(arguments: [
        "", "gpt2", "a/b/c", "/b", "a/", "../b", "a/..", "a/b:", "a/b@", "a/b@../x", "a/b@-x", "a/b c",
        "a/b:x/y",
        "a/b\u{0}", "a/bé", "-a/b", "a/b@x//y",
    ])
    func whatIsNoNameIsRefused(text: String) {
        let error = #expect(throws: HubError.self) { try RepositoryName(text) }
        #expect(error?.reason == .invalidName)
    }

    // MARK: - Addresses

    @Test(arguments: [
        ("https://a.b/c", "https://d.e/f?g#h", "https://d.e/f?g"), ("https://a.b/c/d", "/e", "https://a.b/e"),
        ("https://a.b/c/d?x=/y", "e", "https://a.b/c/e"), ("https://a.b/c", "//d.e", "https://d.e/"),
        ("http://a.b", "https://a.b:443/", "https://a.b/"), ("http://A.B:80/C", "?x", "http://a.b/?x"),
    ])
    func redirectsAreFollowed(base: String, location: String, expected: String) throws {
        #expect(try WebAddress(base).following(location).text == expected)
    }

    @Test(arguments: [
        "http://a.b/", "ftp://a.b/", "file:///etc/passwd", "https://user@a.b/", "https:///x", "javascript:x",
        "/a b", "/a\r\nX: y",
    ])
    func otherRedirectsAreRefused(location: String) throws {
        let error = #expect(throws: HubError.self) { try WebAddress("https://a.b/c").following(location) }
        #expect(error?.reason == .invalidAnswer)
    }

    @Test func originsDifferBySchemeHostAndPort() throws {
        let one = try WebAddress("https://a.b/x")
        #expect(one.hasOrigin(of: try WebAddress("https://A.B:443/y")))
        for other in ["http://a.b/x", "https://a.b:8443/x", "https://c.a.b/x", "https://a.b.c/x"] {
            #expect(!one.hasOrigin(of: try WebAddress(other)))
        }
    }

    @Test func segmentsAreEncoded() throws {
        let address = try WebAddress("https://a.b/base/").appending(
            ["a b", "ü%", "x/y", "-._~"], query: "q=1")
        #expect(address.text == "https://a.b/base/a%20b/%C3%BC%25/x%2Fy/-._~?q=1")
    }

    // MARK: - Settings

    private func settings(_ variables: [String: String]) throws -> HubSettings {
        try HubSettings { variables[$0] }
    }

    @Test func theEnvironmentIsThatOfTheHubsOwnTools() throws {
        let usual = try settings([:])
        #expect(usual.endpoint.text == "https://huggingface.co/" && usual.token == nil && !usual.isOffline)
        let given = try settings([
            "HF_ENDPOINT": "http://127.0.0.1:8000/hub", "HF_TOKEN": " hf_x\n", "HF_HUB_OFFLINE": "true",
        ])
        #expect(
            given.endpoint.text == "http://127.0.0.1:8000/hub" && given.token == "hf_x" && given.isOffline)
        #expect(try !settings(["HF_HUB_OFFLINE": "0"]).isOffline)
        #expect(try settings(["REQUESTS_CA_BUNDLE": "/ca.pem"]).certificates == "/ca.pem")

        let folder = TemporaryFolder()
        TinyRepositories.write(Array("hf_stored\n".utf8), to: folder.path + "/token")
        #expect(try settings(["HF_HOME": folder.path]).token == "hf_stored")
        #expect(try settings(["HF_HOME": folder.path, "HF_TOKEN": "hf_x"]).token == "hf_x")
    }

    @Test(arguments: [
        ("HF_ENDPOINT", "huggingface.co"), ("HF_ENDPOINT", "https://a b"), ("HF_TOKEN", "hf_é"),
    ])
    func settingsWithoutAMeaningAreRefused(name: String, value: String) {
        let error = #expect(throws: HubError.self) { try settings([name: value]) }
        #expect(error?.reason == .invalidSetting && error?.description.contains(name) == true)
    }
}
