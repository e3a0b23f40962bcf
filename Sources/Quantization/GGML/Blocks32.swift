// SPDX-License-Identifier: Apache-2.0
// ggml's blocks of 32 weights: a binary16 scale (and a minimum in the _1 types), then the codes.
// Nibble j holds weight j in its low half and weight j + 16 in its high half.

enum Blocks32 {
    /// w = d · (q − 8).
    ///
    /// Bytes: d, 16 × nibbles.
    @inline(__always)
    static func dequantizeQ4_0(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block)
        let codes = block + 2
        for j in 0..<16 {
            let low = Float(Int32(codes[j] & 15) &- 8) * d
            let high = Float(Int32(codes[j] >> 4) &- 8) * d
            output[j] = low
            output[j &+ 16] = high
        }
    }

    /// w = d · q + m.
    ///
    /// Bytes: d, m, 16 × nibbles.
    @inline(__always)
    static func dequantizeQ4_1(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block)
        let m = loadHalf(block + 2)
        let codes = block + 4
        for j in 0..<16 {
            let low = Float(Int32(codes[j] & 15)) * d + m
            let high = Float(Int32(codes[j] >> 4)) * d + m
            output[j] = low
            output[j &+ 16] = high
        }
    }

    /// w = d · (q − 16).
    ///
    /// Bytes: d, 32 fifth bits, 16 × nibbles.
    @inline(__always)
    static func dequantizeQ5_0(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block)
        let fifth = loadWord(block + 2)
        let codes = block + 6
        for j in 0..<16 {
            let (low, high) = fiveBits(codes[j], fifth, j)
            output[j] = Float(low &- 16) * d
            output[j &+ 16] = Float(high &- 16) * d
        }
    }

    /// w = d · q + m.
    ///
    /// Bytes: d, m, 32 fifth bits, 16 × nibbles.
    @inline(__always)
    static func dequantizeQ5_1(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block)
        let m = loadHalf(block + 2)
        let fifth = loadWord(block + 4)
        let codes = block + 8
        for j in 0..<16 {
            let (low, high) = fiveBits(codes[j], fifth, j)
            output[j] = Float(low) * d + m
            output[j &+ 16] = Float(high) * d + m
        }
    }

    /// The codes of weights j and j + 16, with their highest bits.
    @inline(__always)
    private static func fiveBits(_ nibbles: UInt8, _ fifth: UInt32, _ j: Int) -> (low: Int32, high: Int32) {
        let shift = UInt32(truncatingIfNeeded: j)
        return (
            Int32(nibbles & 15) | Int32(truncatingIfNeeded: (fifth &>> shift) &<< 4 & 16),
            Int32(nibbles >> 4) | Int32(truncatingIfNeeded: (fifth &>> (shift &+ 12)) & 16)
        )
    }

    /// w = d · q.
    ///
    /// Bytes: d, 32 × Int8.
    @inline(__always)
    static func dequantizeQ8_0(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block)
        let codes = block + 2
        for j in 0..<32 {
            output[j] = Float(Int32(Int8(bitPattern: codes[j]))) * d
        }
    }
}
