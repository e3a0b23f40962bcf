// SPDX-License-Identifier: Apache-2.0
// GGUF files that other programs wrote: the models of Tests/Fixtures/models.

import Formats
import Glibc
import Testing

struct GGUFFixtureTests {
    static let paths: [String] = {
        let root =
            "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/") + "/Fixtures/models"
        guard let folder = opendir(root) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".gguf") { names.append("\(root)/\(name)") }
        }
        return names.sorted()
    }()

    @Test(arguments: paths)
    func filesOfOtherProgramsAreRead(path: String) throws {
        let file = try GGUFFile(path: path)
        let architecture = try #require(file.metadata["general.architecture"]?.string)
        guard architecture != "controlvector" else {
            #expect(file.tensors.allSatisfy { $0.name.hasPrefix("direction.") })
            return
        }
        let hiddenSize = try #require(file.metadata["\(architecture).embedding_length"]?.integer)
        let embedding = try #require(file.tensor(named: "token_embd.weight"))
        #expect(embedding.columns == hiddenSize)
        let tokens = try #require(file.metadata["tokenizer.ggml.tokens"]?.strings)
        #expect(embedding.rows == tokens.count && tokens.reduce(0) { count, _ in count + 1 } == tokens.count)
        for tensor in file.tensors { #expect(file.bytes(of: tensor).count == tensor.byteCount) }
    }
}
