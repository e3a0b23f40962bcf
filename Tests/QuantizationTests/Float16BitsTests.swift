// SPDX-License-Identifier: Apache-2.0
// 16-bit conversions against the compiler's Float16 and against exact arithmetic.

import Quantization
import TestSupport
import Testing

@Suite struct Float16BitsTests {
    @Test func everyHalfBecomesItsExactFloat() {
        var mismatches: [UInt16] = []
        for bits in 0...UInt16.max {
            let value = Float16Bits.float(bits)
            let expected = Float(Float16(bitPattern: bits))
            if expected.isNaN ? !value.isNaN : value.bitPattern != expected.bitPattern {
                mismatches.append(bits)
            }
        }
        #expect(mismatches.isEmpty, "\(mismatches.prefix(4))")
    }

    @Test func everyHalfComesBackFromItsFloat() {
        var mismatches: [UInt16] = []
        for bits in 0...UInt16.max {
            let back = Float16Bits.bits(Float16Bits.float(bits))
            let isNaN = bits & 0x7FFF > 0x7C00
            if isNaN ? back & 0x7FFF <= 0x7C00 || (back ^ bits) & 0x8000 != 0 : back != bits {
                mismatches.append(bits)
            }
        }
        #expect(mismatches.isEmpty, "\(mismatches.prefix(4))")
    }

    /// Between two neighbours of either format lie a tie and values just beside it.
    @Test func roundsToNearestTiesToEven() {
        var mismatches: [Float] = []
        for bits in 0..<UInt16(0x7C00) {
            let low = Float16Bits.float(bits)
            let high = bits == 0x7BFF ? 65536 : Float16Bits.float(bits + 1)
            let tie = low + (high - low) / 2
            let even = bits & 1 == 0 ? bits : bits + 1
            if Float16Bits.bits(tie) != even || Float16Bits.bits(-tie) != even | 0x8000
                || Float16Bits.bits(tie.nextDown) != bits || Float16Bits.bits(tie.nextUp) != bits + 1
            {
                mismatches.append(tie)
            }
        }
        #expect(mismatches.isEmpty, "\(mismatches.prefix(4))")
    }

    @Test func roundsRandomFloatsLikeTheCompiler() {
        var generator = SeededGenerator(seed: 1)
        var mismatches: [Float] = []
        for _ in 0..<200_000 {
            let value = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
            let bits = Float16Bits.bits(value)
            if value.isNaN ? bits & 0x7FFF <= 0x7C00 : bits != Float16(value).bitPattern {
                mismatches.append(value)
            }
        }
        #expect(mismatches.isEmpty, "\(mismatches.prefix(4))")
    }

    @Test func infinitiesAndLimits() {
        #expect(Float16Bits.bits(.infinity) == 0x7C00)
        #expect(Float16Bits.bits(-.infinity) == 0xFC00)
        #expect(Float16Bits.bits(65519.996) == 0x7BFF)
        #expect(Float16Bits.bits(65520) == 0x7C00)
        #expect(Float16Bits.bits(.greatestFiniteMagnitude) == 0x7C00)
        #expect(Float16Bits.bits(0x1p-25) == 0)
        #expect(Float16Bits.bits(Float(0x1p-25).nextUp) == 1)
        #expect(Float16Bits.bits(-0.0) == 0x8000)
        #expect(Float16Bits.float(0x7BFF) == Float16Bits.greatestFinite)
    }

    @Test func brainFloatsRoundToNearestEvenAndComeBack() {
        var mismatches: [UInt16] = []
        for bits in 0...UInt16.max {
            let value = Float16Bits.float(brain: bits)
            if value.isNaN {
                if !Float16Bits.float(brain: Float16Bits.brainBits(value)).isNaN { mismatches.append(bits) }
                continue
            }
            if Float16Bits.brainBits(value) != bits { mismatches.append(bits) }
            guard value.isFinite else { continue }
            // The tie above it has the upper bit of the dropped half set and nothing else.
            let tie = Float(bitPattern: value.bitPattern | 0x8000)
            let up = bits &+ 1
            if Float16Bits.brainBits(tie) != (bits & 1 == 0 ? bits : up)
                || Float16Bits.brainBits(Float(bitPattern: tie.bitPattern + 1)) != up
                || Float16Bits.brainBits(Float(bitPattern: tie.bitPattern - 1)) != bits
            {
                mismatches.append(bits)
            }
        }
        #expect(mismatches.isEmpty, "\(mismatches.prefix(4))")
    }
}
