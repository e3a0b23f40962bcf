// SPDX-License-Identifier: Apache-2.0
// ggml's types of 4 bits whose codes stand for 16 unequal values: IQ4, and the floating-point types MXFP4 and NVFP4.

enum CodebookBlocks {
    /// The values of IQ4's codes.
    private static let iq4: [Int8] = [
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
    ]
    /// Twice the values of E2M1, a floating-point number of 4 bits.
    private static let e2m1: [Int8] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]

    /// w = scale · values[code]: of each byte the low half is weight j, the high half weight j + count.
    @inline(__always)
    private static func write(
        _ codes: UnsafePointer<UInt8>, _ count: Int, _ values: [Int8], scale: Float,
        _ output: UnsafeMutablePointer<Float>
    ) {
        for j in 0..<count {
            output[j] = scale * Float(Int32(values[Int(codes[j] & 15)]))
            output[j &+ count] = scale * Float(Int32(values[Int(codes[j] >> 4)]))
        }
    }

    /// Bytes: d, 16 × nibbles.
    static func dequantizeIQ4_NL(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        write(block + 2, 16, iq4, scale: loadHalf(block), output)
    }

    /// Parts of 32 with a scale of d · (s − 32), s of 6 bits.
    ///
    /// Bytes: d, 8 × upper bit pairs of s, 8 × lower nibbles of s, 128 × nibbles.
    static func dequantizeIQ4_XS(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block)
        for part in 0..<8 {
            let low = Int32(block[4 &+ part / 2] >> ((part & 1) &* 4)) & 15
            let high = Int32(block[2 &+ part / 4] >> ((part & 3) &* 2)) & 3
            write(
                block + (8 &+ part &* 16), 16, iq4, scale: d * Float((low | high << 4) &- 32),
                output + part &* 32)
        }
    }

    /// Bytes: the exponent of a power of two (E8M0), 16 × nibbles.
    static func dequantizeMXFP4(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        // Half of 2^(e − 127), since the values are doubled; the least two are subnormal.
        let e = UInt32(block[0])
        let scale = Float(bitPattern: e < 2 ? 0x0020_0000 << e : (e - 1) << 23)
        write(block + 1, 16, e2m1, scale: scale, output)
    }

    /// Parts of 16 with a scale in UE4M3.
    ///
    /// Bytes: 4 × scale, 4 × 8 × nibbles.
    static func dequantizeNVFP4(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        for part in 0..<4 {
            write(
                block + (4 &+ part &* 8), 8, e2m1, scale: halfOfUE4M3(block[part]), output + part &* 16)
        }
    }

    /// Half of an unsigned floating-point number with 4 bits of exponent and 3 of fraction.
    private static func halfOfUE4M3(_ bits: UInt8) -> Float {
        // The pattern of NaN stands for zero, and the highest bit for nothing.
        guard bits != 0x7F else { return 0 }
        let exponent = Int(bits >> 3 & 15), fraction = Float(bits & 7)
        return exponent == 0
            ? fraction * 0x1p-10 : Float(sign: .plus, exponent: exponent - 8, significand: 1 + fraction / 8)
    }
}
