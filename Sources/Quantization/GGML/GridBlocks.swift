// SPDX-License-Identifier: Apache-2.0
// ggml's IQ types of 1 to 3 bits: blocks of 256 weights, of which groups of 4 or 8 are points of a grid, with signs apart.

enum GridBlocks {
    /// Signs of eight weights in seven bits: the number of negative ones is even.
    @inline(__always)
    private static func signs(_ sevenBits: UInt32) -> UInt8 {
        let bits = UInt8(truncatingIfNeeded: sevenBits & 127)
        return bits | UInt8(truncatingIfNeeded: bits.nonzeroBitCount & 1) << 7
    }

    /// output[j] = ±scale · point[j]; bit j of `signs` negates.
    @inline(__always)
    private static func write(
        _ point: UnsafePointer<Int8>, _ count: Int, scale: Float, signs: UInt8,
        _ output: UnsafeMutablePointer<Float>
    ) {
        for j in 0..<count {
            let value = scale * Float(Int32(point[j]))
            output[j] = (signs &>> UInt8(truncatingIfNeeded: j)) & 1 == 0 ? value : -value
        }
    }

    /// A nibble of the scales of parts of 16 weights, as d · (0.5 + scale) / 4.
    @inline(__always)
    private static func quarterScale(_ d: Float, _ scales: UnsafePointer<UInt8>, _ part: Int) -> Float {
        let nibble = (scales[part / 2] &>> UInt8(truncatingIfNeeded: (part & 1) &* 4)) & 15
        return d * (0.5 + Float(Int32(nibble))) * 0.25
    }

    /// Parts of 32: four codes of 8 weights, then a word of 4 × 7 bits of signs and a scale of 4 bits.
    ///
    /// Bytes: d, 8 × (4 codes, word).
    static func dequantizeIQ2_XXS(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block), grid = CodebookGrids.iq2XXS
        for part in 0..<8 {
            let codes = block + (2 &+ part &* 8)
            let word = loadWord(codes + 4)
            let scale = d * (0.5 + Float(word >> 28)) * 0.25
            for k in 0..<4 {
                write(
                    grid.point(Int(codes[k]), size: 8), 8, scale: scale,
                    signs: signs(word &>> UInt32(7 &* k)),
                    output + (part &* 32 &+ k &* 8))
            }
        }
    }

    /// Bytes: d, 32 × (9 bits of code, 7 of signs), 16 nibbles of scales.
    static func dequantizeIQ2_XS(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block), grid = CodebookGrids.iq2XS
        for k in 0..<32 {
            let code = UInt32(block[2 &+ 2 &* k]) | UInt32(block[3 &+ 2 &* k]) << 8
            write(
                grid.point(Int(code & 511), size: 8), 8, scale: quarterScale(d, block + 66, k / 2),
                signs: signs(code >> 9), output + k &* 8)
        }
    }

    /// Bytes: d, 32 × 8 bits of code, 32 × signs, 8 × four upper bit pairs of codes, 16 nibbles of scales.
    static func dequantizeIQ2_S(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block), grid = CodebookGrids.iq2S
        for k in 0..<32 {
            let high = Int((block[66 &+ k / 4] &>> UInt8(truncatingIfNeeded: (k & 3) &* 2)) & 3)
            write(
                grid.point(Int(block[2 &+ k]) | high << 8, size: 8), 8,
                scale: quarterScale(d, block + 74, k / 2), signs: block[34 &+ k], output + k &* 8)
        }
    }

    /// Parts of 32: eight codes of 4 weights; their words of 4 × 7 bits of signs and a scale of 4 bits follow all codes.
    ///
    /// Bytes: d, 64 × code, 8 × word.
    static func dequantizeIQ3_XXS(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block), grid = CodebookGrids.iq3XXS
        for part in 0..<8 {
            let word = loadWord(block + (66 &+ part &* 4))
            let scale = d * (0.5 + Float(word >> 28)) * 0.5
            for k in 0..<8 {
                let both = signs(word &>> UInt32(7 &* (k / 2)))
                write(
                    grid.point(Int(block[2 &+ part &* 8 &+ k]), size: 4), 4, scale: scale,
                    signs: both &>> UInt8(truncatingIfNeeded: (k & 1) &* 4), output + (part &* 32 &+ k &* 4))
            }
        }
    }

    /// Bytes: d, 64 × 8 bits of code, 8 × eight ninth bits, 32 × signs of 8 weights, 8 nibbles of scales of 32 weights.
    static func dequantizeIQ3_S(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block), grid = CodebookGrids.iq3S
        for k in 0..<64 {
            let part = k / 8
            let ninth = Int((block[66 &+ part] &>> UInt8(truncatingIfNeeded: k & 7)) & 1)
            let nibble = (block[106 &+ part / 2] &>> UInt8(truncatingIfNeeded: (part & 1) &* 4)) & 15
            write(
                grid.point(Int(block[2 &+ k]) | ninth << 8, size: 4), 4,
                scale: d * Float(1 &+ 2 &* Int32(nibble)),
                signs: block[74 &+ k / 2] &>> UInt8(truncatingIfNeeded: (k & 1) &* 4), output + k &* 4)
        }
    }

    /// scale · (point + delta) for eight weights.
    @inline(__always)
    private static func writeShifted(
        _ index: Int, scale: Float, isNegative: Bool, _ output: UnsafeMutablePointer<Float>
    ) {
        let point = CodebookGrids.iq1.point(index, size: 8), delta: Float = isNegative ? -0.125 : 0.125
        for j in 0..<8 { output[j] = scale * (Float(Int32(point[j])) + delta) }
    }

    /// Parts of 32; a word holds four times three upper bits of codes, a scale of 3 bits, the sign of delta.
    ///
    /// Bytes: d, 32 × 8 bits of code, 8 × word.
    static func dequantizeIQ1_S(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block)
        for part in 0..<8 {
            let word = Int(block[34 &+ 2 &* part]) | Int(block[35 &+ 2 &* part]) << 8
            let scale = d * Float(2 &* (word >> 12 & 7) &+ 1)
            for k in 0..<4 {
                writeShifted(
                    Int(block[2 &+ part &* 4 &+ k]) | (word >> (3 &* k) & 7) << 8, scale: scale,
                    isNegative: word & 0x8000 != 0, output + (part &* 32 &+ k &* 8))
            }
        }
    }

    /// Parts of 16; nibbles hold three upper bits of a code and the sign of delta; four words hold four scales of 3 bits and a
    /// quarter of d each.
    ///
    /// Bytes: 32 × 8 bits of code, 32 nibbles, 4 × word.
    static func dequantizeIQ1_M(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        func word(_ index: Int) -> Int { Int(block[48 &+ 2 &* index]) | Int(block[49 &+ 2 &* index]) << 8 }
        var bits = 0
        for index in 0..<4 { bits |= (word(index) >> 12) << (4 &* index) }
        let d = Float16Bits.float(UInt16(truncatingIfNeeded: bits))
        for k in 0..<32 {
            let part = k / 2
            let scale = d * Float(2 &* (word(part / 4) >> (3 &* (part & 3)) & 7) &+ 1)
            let nibble = Int(block[32 &+ part]) >> ((k & 1) &* 4) & 15
            writeShifted(
                Int(block[k]) | (nibble & 7) << 8, scale: scale, isNegative: nibble & 8 != 0, output + k &* 8)
        }
    }
}
