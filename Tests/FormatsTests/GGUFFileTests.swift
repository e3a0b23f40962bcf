// SPDX-License-Identifier: Apache-2.0
// What the GGUF writer writes the reader reads, and every value type is decoded.

import Formats
import Quantization
import Testing

struct GGUFFileTests {
    @Test func whatIsWrittenIsRead() throws {
        var writer = GGUFWriter()
        writer.set("general.architecture", .string("controlvector"))
        writer.set("controlvector.layer_count", .uint32(2))
        writer.set("tokens", .strings(["<s>", "", "ä", " the"]))
        writer.set("scores", .floats([0, -1.5, .infinity]))
        writer.set("kinds", .integers([3, -1]))
        writer.set("flag", .bool(true))
        writer.add("direction.1", dimensions: [3], values: [1, 2, 3])
        writer.add("matrix", dimensions: [2, 3], values: [1, 2, 3, 4, 5, 6])
        writer.add("cube", type: .q8_0, dimensions: [2, 3, 32], bytes: [UInt8](repeating: 9, count: 6 * 34))

        let file = try GGUFFile(bytes: ByteView(copying: writer.bytes()))
        #expect(file.version == 3)
        #expect(file.metadata.keys.count == 6)
        #expect(file.metadata["general.architecture"]?.string == "controlvector")
        #expect(file.metadata["controlvector.layer_count"]?.integer == 2)
        let tokens = try #require(file.metadata["tokens"]?.strings)
        #expect(tokens.map { String(decoding: $0, as: UTF8.self) } == ["<s>", "", "ä", " the"])
        #expect(file.metadata["scores"]?.floats == [0, -1.5, .infinity])
        #expect(file.metadata["kinds"]?.integers == [3, -1])
        #expect(file.metadata["flag"]?.bool == true)
        #expect(file.metadata["nothing"] == nil)

        #expect(file.tensors.map(\.name) == ["direction.1", "matrix", "cube"])
        let matrix = try #require(file.tensor(named: "matrix"))
        #expect(matrix.rows == 2 && matrix.columns == 3 && matrix.byteOffset % 32 == 0)
        #expect(file.bytes(of: matrix).loadUnaligned(fromByteOffset: 20, as: Float.self) == 6)
        let cube = try #require(file.tensor(named: "cube"))
        #expect(cube.dimensions == [2, 3, 32] && cube.rows == 6 && cube.columns == 32)
        #expect(file.bytes(of: cube).count == 6 * 34 && file.bytes(of: cube)[0] == 9)
        let vector = try #require(file.tensor(named: "direction.1"))
        #expect(vector.rows == 1 && vector.columns == 3)
        #expect(file.tensor(named: "x") == nil)
    }

    /// Type id, encoded value, and what the accessors must give.
    @Test(
        arguments: [
            (UInt32(0), [UInt8](repeating: 0xFE, count: 1), 254, 254),
            (1, [0xFE], -2, -2), (2, [0xFE, 0xFF], 65534, 65534), (3, [0xFE, 0xFF], -2, -2),
            (4, [0xFE, 0xFF, 0xFF, 0xFF], 4_294_967_294, 4_294_967_294),
            (5, [0xFE, 0xFF, 0xFF, 0xFF], -2, -2),
            (6, [0, 0, 0xC0, 0x3F], nil, 1.5), (10, [5, 0, 0, 0, 0, 0, 0, 0], 5, 5),
            (10, [UInt8](repeating: 0xFF, count: 8), nil, nil),
            (11, [UInt8](repeating: 0xFF, count: 8), -1, -1),
            (12, [0, 0, 0, 0, 0, 0, 0xF8, 0x3F], nil, 1.5), (7, [1], nil, nil),
        ] as [(UInt32, [UInt8], Int?, Double?)])
    func everyValueTypeIsDecoded(type: UInt32, bytes: [UInt8], integer: Int?, float: Double?) throws {
        var raw = RawGGUF()
        raw.pairCount = 2
        raw.pairs = RawGGUF.pair("single", type: type) { $0.bytes += bytes }
        raw.pairs += RawGGUF.pair("array", type: 9) {
            $0.u32(type)
            $0.u64(2)
            $0.bytes += bytes + bytes
        }
        let file = try GGUFFile(bytes: ByteView(copying: raw.bytes))
        let single = try #require(file.metadata["single"])
        let array = try #require(file.metadata["array"])
        #expect(single.integer == integer && single.float == float)
        #expect(array.integers == integer.map { [$0, $0] })
        #expect(array.floats == float.map { [Float($0), Float($0)] })
        #expect(
            array.integer == nil && single.integers == nil && single.string == nil && array.strings == nil)
        #expect(single.bool == (type == 7 ? true : nil) && array.bools == (type == 7 ? [true, true] : nil))
    }

    @Test func versionTwoIsRead() throws {
        var raw = RawGGUF()
        raw.version = 2
        let file = try GGUFFile(bytes: ByteView(copying: raw.bytes))
        #expect(file.version == 2 && file.tensors.count == 2)
    }

    @Test func anAlignmentOfTheFileIsObeyed() throws {
        var raw = RawGGUF()
        raw.pairs = RawGGUF.pair("general.alignment", type: 4) { $0.u32(8) }
        raw.tensors[1].offset = 40
        let file = try GGUFFile(bytes: ByteView(copying: raw.bytes))
        #expect(
            file.tensors[0].byteOffset % 8 == 0
                && file.tensors[1].byteOffset == file.tensors[0].byteOffset + 40)
    }

    @Test func aLargeVocabularyIsOpenedWithoutDecodingIt() throws {
        var writer = GGUFWriter()
        writer.set("tokens", .strings((0..<262_144).map { "token\($0)" }))
        let bytes = ByteView(copying: writer.bytes())
        let clock = ContinuousClock()
        var file: GGUFFile?
        let seconds = try clock.measure { file = try GGUFFile(bytes: bytes) } / .seconds(1)
        print("GGUF: 262,144 tokens opened in \(Int(seconds * 1e6)) µs")
        #expect(file?.metadata["tokens"]?.strings?.reduce(0) { $0 + $1.count } == 2_772_474)
    }
}
