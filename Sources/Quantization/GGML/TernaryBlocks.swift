// SPDX-License-Identifier: Apache-2.0
// ggml's types for weights that are −1, 0 or 1 times a scale, or only ±1.

enum TernaryBlocks {
    private static let powersOfThree: [UInt8] = [1, 3, 9, 27, 81]

    /// Five digits of base 3 in a byte, as a fraction of 256: the first digit is the integer part of three times the fraction.
    ///
    /// - Parameters:
    ///   - count: bytes; digit n of byte j is weight n · count + j.
    ///   - digits: digits of each byte.
    @inline(__always)
    private static func writeDigits(
        _ codes: UnsafePointer<UInt8>, _ count: Int, digits: Int, d: Float,
        _ output: UnsafeMutablePointer<Float>
    ) {
        for n in 0..<digits {
            for j in 0..<count {
                let fraction = Int32(codes[j] &* powersOfThree[n])
                output[n &* count &+ j] = Float((fraction &* 3) >> 8 &- 1) * d
            }
        }
    }

    /// Bytes: 32 × 5 digits, 16 × 5 digits, 4 × 4 digits, d.
    static func dequantizeTQ1_0(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block + 52)
        writeDigits(block, 32, digits: 5, d: d, output)
        writeDigits(block + 32, 16, digits: 5, d: d, output + 160)
        writeDigits(block + 48, 4, digits: 4, d: d, output + 240)
    }

    /// w = d · (q − 1). Of each 32 bytes, bit pair n of byte j is weight 32 · n + j.
    ///
    /// Bytes: 64 × four codes, d.
    static func dequantizeTQ2_0(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block + 64)
        for i in 0..<256 {
            let code = block[i / 128 &* 32 &+ i % 32] >> (i / 32 % 4 &* 2) & 3
            output[i] = Float(Int32(code) &- 1) * d
        }
    }

    /// w = d for a bit that is set, otherwise −d.
    ///
    /// Bytes: d, 128 bits.
    static func dequantizeQ1_0(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block)
        for i in 0..<128 { output[i] = block[2 &+ i / 8] >> (i % 8) & 1 == 0 ? -d : d }
    }

    /// w = d · (q − 1).
    ///
    /// Bytes: d, 16 × four codes.
    static func dequantizeQ2_0(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block)
        for i in 0..<64 {
            output[i] = Float(Int32(block[2 &+ i / 4] >> (i % 4 &* 2) & 3) &- 1) * d
        }
    }
}
