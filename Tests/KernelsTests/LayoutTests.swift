// SPDX-License-Identifier: Apache-2.0
// Kernels import nothing, so a few facts about bytes stand in KernelCore and in Quantization: they must be the same.

import KernelCore
import Quantization
import Testing

@Suite struct LayoutTests {
    @Test(arguments: [TensorEncoding.int8, .int5, .int4, .int3], [32, 64, 96, 160, 576])
    func kernelsReadTilesAsTheyAreWritten(encoding: TensorEncoding, columns: Int) {
        let written = TileLayout(encoding, columns: columns)
        let read = encoding == .int8 ? GroupLayout.int8 : .affine(codeByteCount: written.codeStride)
        #expect(read.factorByteCount == written.scaleByteOffset)
        #expect(read.scaleByteCount == written.scaleStride)
        #expect(read.codeByteCount == written.codeStride)
        #expect(read.codeOffset(groupCount: written.groupCount) == written.codeByteOffset)
        #expect(read.byteCount(groupCount: written.groupCount) == written.byteCount)
        #expect(encoding.tileByteCount(columns: columns) == written.byteCount)
    }

    @Test func halvesAreRoundedAlike() {
        // All signs and exponents, with mantissas around every tie and every carry.
        var different: [UInt32] = []
        for top in UInt32(0)..<1 << 16 {
            for low: UInt32 in [0, 1, 0xFFF, 0x1000, 0x1001, 0x7FFF, 0x8000, 0xFFFF] {
                let bits = top << 16 | low
                let value = Float(bitPattern: bits)
                if halfBits(value) != Float16Bits.bits(value) { different.append(bits) }
            }
        }
        #expect(different.isEmpty, "\(different.prefix(3))")
    }
}
