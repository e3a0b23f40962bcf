// SPDX-License-Identifier: Apache-2.0
// Files that somebody writes over while they are open: what was checked is what is used.

import Formats
import Steering
import Testing

@Suite struct ChangedFileTests {
    private let folder = TemporaryFolder()

    @Test func tablesOfAModelStayWhatWasChecked() throws {
        let bytes = try TinyModel.bytes(calibration: TinyModel.calibration)
        let path = folder.file("m.tiller", bytes)
        let file = try TillerFile(path: path)
        folder.overwrite(path, with: 0xFF)
        #expect(file.weightsView.allSatisfy { $0 == 0xFF })
        #expect(file.tokenizerBytes.map { Array($0) } == Array("tokens".utf8))
        #expect(file.manifest == TinyModel.manifest && file.chatTemplate == "{{ messages }}")
        // What is read on demand is checked again.
        #expect(file.profiles.map(\.name) == ["calm"])
        for read in [{ _ = try file.profile(named: "calm") }, { _ = try file.calibration() }] {
            let error = #expect(throws: FormatError.self) { try read() }
            #expect(error?.rule == .tillerSectionDigest)
        }
    }

    @Test func tablesOfAGGUFFileStayWhatWasChecked() throws {
        var writer = GGUFWriter()
        writer.set("tokens", .strings(["<s>", "", "ä", " the"]))
        writer.set("kinds", .integers([3, -1]))
        writer.add("matrix", dimensions: [2, 3], values: [1, 2, 3, 4, 5, 6])
        let path = folder.file("m.gguf", writer.bytes())
        let file = try GGUFFile(path: path)
        folder.overwrite(path, with: 0xFF)
        let tokens = try #require(file.metadata["tokens"]?.strings)
        #expect(tokens.map { String(decoding: $0, as: UTF8.self) } == ["<s>", "", "ä", " the"])
        #expect(file.metadata["kinds"]?.integers == [3, -1])
        let matrix = try #require(file.tensor(named: "matrix"))
        #expect(file.view(of: matrix).allSatisfy { $0 == 0xFF })
    }

    @Test func whatFollowsAGGUFFilesTablesIsNotCopied() throws {
        var writer = GGUFWriter()
        writer.set("name", .string("short"))
        writer.add("matrix", dimensions: [2, 3], values: [1, 2, 3, 4, 5, 6])
        let bytes = ByteView(copying: writer.bytes())
        let file = try GGUFFile(bytes: bytes)
        let matrix = try #require(file.tensor(named: "matrix"))
        #expect(
            file.bytes(of: matrix).baseAddress == bytes.bytes.baseAddress.map { $0 + matrix.byteOffset })
    }
}
