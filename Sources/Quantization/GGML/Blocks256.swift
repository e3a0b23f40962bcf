// SPDX-License-Identifier: Apache-2.0
// ggml's K-quants: blocks of 256 weights whose parts of 16 or 32 share small scales, themselves
// multiples of one binary16 (two with minimums).

enum Blocks256 {
    /// w = d · scale · q − dmin · minimum, parts of 16.
    ///
    /// Bytes: 16 × (scale, minimum) nibbles, 64 × four 2-bit codes, d, dmin.
    @inline(__always)
    static func dequantizeQ2_K(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block + 80)
        let dmin = loadHalf(block + 82)
        for part in 0..<16 {
            // Byte j of a half holds the weights j, j + 32, j + 64 and j + 96 of 128.
            let codes = block + (16 &+ (part / 8) &* 32 &+ (part & 1) &* 16)
            let shift = UInt8(truncatingIfNeeded: (part / 2 % 4) &* 2)
            let scale = d * Float(Int32(block[part] & 15))
            let minimum = dmin * Float(Int32(block[part] >> 4))
            let values = output + part &* 16
            for j in 0..<16 {
                values[j] = scale * Float(Int32((codes[j] &>> shift) & 3)) - minimum
            }
        }
    }

    /// w = d · (scale − 32) · q with q in −4…3, parts of 16.
    ///
    /// Bytes: 256 third bits, 64 × four 2-bit codes, 16 × 6-bit scales, d.
    @inline(__always)
    static func dequantizeQ3_K(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block + 108)
        let scales = block + 96
        for part in 0..<16 {
            let low = (scales[part & 7] &>> UInt8(truncatingIfNeeded: (part / 8) &* 4)) & 15
            let high = (scales[8 &+ (part & 3)] &>> UInt8(truncatingIfNeeded: (part / 4) &* 2)) & 3
            let scale = d * Float(Int32(low | high << 4) &- 32)
            let codes = block + (32 &+ (part / 8) &* 32 &+ (part & 1) &* 16)
            let thirds = block + (part & 1) &* 16
            let shift = UInt8(truncatingIfNeeded: (part / 2 % 4) &* 2)
            let bit = UInt8(truncatingIfNeeded: part / 2)
            let values = output + part &* 16
            for j in 0..<16 {
                // If the third bit is set, 4 is not subtracted.
                let third = Int32((thirds[j] &>> bit) & 1) &* 4
                values[j] = scale * Float(Int32((codes[j] &>> shift) & 3) &+ third &- 4)
            }
        }
    }

    /// The 6-bit scale and minimum of one of eight parts, from the 12 bytes that Q4_K and Q5_K share.
    @inline(__always)
    private static func scaleAndMinimum(_ packed: UnsafePointer<UInt8>, part: Int) -> (Float, Float) {
        if part < 4 {
            return (Float(Int32(packed[part] & 63)), Float(Int32(packed[part &+ 4] & 63)))
        }
        let scale = (packed[part &+ 4] & 15) | (packed[part &- 4] >> 6) << 4
        let minimum = (packed[part &+ 4] >> 4) | (packed[part] >> 6) << 4
        return (Float(Int32(scale)), Float(Int32(minimum)))
    }

    /// w = d · scale · q − dmin · minimum, parts of 32.
    ///
    /// Bytes: d, dmin, 12 of scales and minimums, 128 × nibbles.
    @inline(__always)
    static func dequantizeQ4_K(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block)
        let dmin = loadHalf(block + 2)
        for part in 0..<8 {
            let (partScale, partMinimum) = scaleAndMinimum(block + 4, part: part)
            let scale = d * partScale
            let minimum = dmin * partMinimum
            let codes = block + (16 &+ (part / 2) &* 32)
            let shift = UInt8(truncatingIfNeeded: (part & 1) &* 4)
            let values = output + part &* 32
            for j in 0..<32 {
                values[j] = scale * Float(Int32((codes[j] &>> shift) & 15)) - minimum
            }
        }
    }

    /// w = d · scale · q − dmin · minimum, parts of 32.
    ///
    /// Bytes: d, dmin, 12 of scales and minimums, 256 fifth bits, 128 × nibbles.
    @inline(__always)
    static func dequantizeQ5_K(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block)
        let dmin = loadHalf(block + 2)
        let fifths = block + 16
        for part in 0..<8 {
            let (partScale, partMinimum) = scaleAndMinimum(block + 4, part: part)
            let scale = d * partScale
            let minimum = dmin * partMinimum
            let codes = block + (48 &+ (part / 2) &* 32)
            let shift = UInt8(truncatingIfNeeded: (part & 1) &* 4)
            let bit = UInt8(truncatingIfNeeded: part)
            let values = output + part &* 32
            for j in 0..<32 {
                let code = ((codes[j] &>> shift) & 15) | ((fifths[j] &>> bit) & 1) << 4
                values[j] = scale * Float(Int32(code)) - minimum
            }
        }
    }

    /// w = d · scale · (q − 32) with Int8 scales, parts of 16.
    ///
    /// Bytes: 128 × nibbles, 64 × four upper bit pairs, 16 × Int8 scales, d.
    @inline(__always)
    static func dequantizeQ6_K(_ block: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<Float>) {
        let d = loadHalf(block + 208)
        for part in 0..<16 {
            // Of each 128 weights: 64 bytes of nibbles (low halves first), 32 bytes of bit pairs.
            let half = part / 8
            let quarter = part / 2 % 4
            let column = (part & 1) &* 16
            let low = block + (half &* 64 &+ (quarter & 1) &* 32 &+ column)
            let lowShift = UInt8(truncatingIfNeeded: (quarter / 2) &* 4)
            let high = block + (128 &+ half &* 32 &+ column)
            let highShift = UInt8(truncatingIfNeeded: quarter &* 2)
            let scale = d * Float(Int32(Int8(bitPattern: block[192 &+ part])))
            let values = output + part &* 16
            for j in 0..<16 {
                let code = ((low[j] &>> lowShift) & 15) | ((high[j] &>> highShift) & 3) << 4
                values[j] = scale * Float(Int32(code) &- 32)
            }
        }
    }
}
