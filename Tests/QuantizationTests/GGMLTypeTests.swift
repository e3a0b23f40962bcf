// SPDX-License-Identifier: Apache-2.0
// Every readable ggml type against golden values, to the last bit.

import Quantization
import Testing

@Suite struct GGMLTypeTests {
    /// Decodes blocks that start `shift` bytes behind an aligned address.
    private func dequantize(_ type: GGMLType, _ blocks: [UInt8], shift: Int) -> [UInt32] {
        let count = blocks.count / type.blockByteCount * type.blockSize
        let source = UnsafeMutableRawBufferPointer.allocate(byteCount: blocks.count + shift, alignment: 64)
        defer { source.deallocate() }
        UnsafeMutableRawBufferPointer(rebasing: source[shift...]).copyBytes(from: blocks)
        var values = [Float](repeating: .nan, count: count + 1)
        values.withUnsafeMutableBufferPointer { buffer in
            guard let output = buffer.baseAddress, let input = source.baseAddress else { return }
            type.dequantize(input + shift, count: count, into: output)
        }
        #expect(values[count].isNaN, "wrote behind the last value")
        return values.dropLast().map(\.bitPattern)
    }

    @Test(arguments: GGMLType.allCases)
    func dequantizesToTheBitsOfTheReference(type: GGMLType) throws {
        let blocks = try #require(Fixture.bytes("\(type.name).blocks"))
        let expected = Fixture.words(try #require(Fixture.bytes("\(type.name).expected")))
        #expect(type.byteCount(elements: expected.count) == blocks.count)
        for shift in [0, 1, 3] {
            let values = dequantize(type, blocks, shift: shift)
            let mismatch = zip(values, expected).enumerated().first { $0.element.0 != $0.element.1 }
            #expect(
                mismatch == nil,
                "\(type.name), shift \(shift): first mismatch \(String(describing: mismatch))")
        }
    }

    @Test func sizesAreThoseOfGGML() {
        let expected: [(GGMLType, UInt32, Int, Int)] = [
            (.f32, 0, 1, 4), (.f16, 1, 1, 2), (.q4_0, 2, 32, 18), (.q4_1, 3, 32, 20), (.q5_0, 6, 32, 22),
            (.q5_1, 7, 32, 24), (.q8_0, 8, 32, 34), (.q2_K, 10, 256, 84), (.q3_K, 11, 256, 110),
            (.q4_K, 12, 256, 144), (.q5_K, 13, 256, 176), (.q6_K, 14, 256, 210), (.iq2_XXS, 16, 256, 66),
            (.iq2_XS, 17, 256, 74), (.iq3_XXS, 18, 256, 98), (.iq1_S, 19, 256, 50), (.iq4_NL, 20, 32, 18),
            (.iq3_S, 21, 256, 110), (.iq2_S, 22, 256, 82), (.iq4_XS, 23, 256, 136), (.iq1_M, 29, 256, 56),
            (.bf16, 30, 1, 2), (.tq1_0, 34, 256, 54), (.tq2_0, 35, 256, 66), (.mxfp4, 39, 32, 17),
            (.nvfp4, 40, 64, 36), (.q1_0, 41, 128, 18), (.q2_0, 42, 64, 18),
        ]
        #expect(expected.count == GGMLType.allCases.count)
        for (type, rawValue, blockSize, blockByteCount) in expected {
            #expect(type.rawValue == rawValue)
            #expect(type.blockSize == blockSize)
            #expect(type.blockByteCount == blockByteCount)
        }
    }

    @Test func byteCountRefusesPartsOfBlocksAndOverflow() {
        #expect(GGMLType.q4_K.byteCount(elements: 512) == 288)
        #expect(GGMLType.q4_K.byteCount(elements: 0) == 0)
        #expect(GGMLType.q4_K.byteCount(elements: 257) == nil)
        #expect(GGMLType.q8_0.byteCount(elements: -32) == nil)
        #expect(GGMLType.f32.byteCount(elements: Int.max) == nil)
    }

    @Test func namesUnreadableTypesToo() {
        #expect(GGMLType.name(ofRawValue: 28) == "F64")
        #expect(GGMLType(rawValue: 28) == nil)
        #expect(GGMLType.name(ofRawValue: 1000) == nil)
        #expect(GGMLType.q4_K.name == "Q4_K")
    }

    @Test func aBlockPartIsAProgrammingError() async {
        await #expect(processExitsWith: .failure) {
            var value: Float = 0
            var byte: UInt8 = 0
            GGMLType.q4_0.dequantize(&byte, count: 31, into: &value)
        }
    }
}
