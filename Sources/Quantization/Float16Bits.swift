// SPDX-License-Identifier: Apache-2.0
// 16-bit floating point as bit patterns. The module is built for the oldest x86-64, where the compiler turns
// `Float16` arithmetic into library calls; these few integer operations vectorize instead.

/// Conversions between Float32 and the bits of IEEE binary16 (and of bfloat16).
package enum Float16Bits {
    /// The largest finite binary16 value.
    package static let greatestFinite: Float = 65504

    /// The exact Float32 value of a binary16 bit pattern; the payload of a NaN is kept.
    @inline(__always)
    package static func float(_ half: UInt16) -> Float {
        let sign = UInt32(half & 0x8000) << 16
        let magnitude = UInt32(half & 0x7FFF)
        // Normal numbers: move the exponent's bias from 15 to 127; infinities and NaNs: twice as far, to 255.
        let bias: UInt32 = magnitude >= 0x7C00 ? 224 << 23 : 112 << 23
        let normal = (magnitude << 13) &+ bias
        // Subnormal numbers are multiples of 2^-24, which is the last place of a Float32 in [0.5, 1).
        let subnormal = (Float(bitPattern: 0x3F00_0000 | magnitude) - 0.5).bitPattern
        return Float(bitPattern: sign | (magnitude < 0x0400 ? subnormal : normal))
    }

    /// The nearest binary16, ties to even.
    ///
    /// Values from 65520 on become infinity; NaN stays NaN.
    @inline(__always)
    package static func bits(_ value: Float) -> UInt16 {
        let sign = UInt16(truncatingIfNeeded: (value.bitPattern >> 16) & 0x8000)
        let magnitude = value.bitPattern & 0x7FFF_FFFF
        if magnitude > 0x7F80_0000 {
            return sign | 0x7E00 | UInt16(truncatingIfNeeded: (magnitude >> 13) & 0x3FF)
        }
        if magnitude >= 0x4780_0000 { return sign | 0x7C00 }  // 2^16 and above
        if magnitude < 0x3880_0000 {  // below 2^-14: the addition rounds to a multiple of 2^-24
            let shifted = Float(bitPattern: magnitude) + 0.5
            return sign | UInt16(truncatingIfNeeded: shifted.bitPattern &- 0x3F00_0000)
        }
        let tieToEven = (magnitude >> 13) & 1
        let rounded = magnitude &- (112 << 23) &+ 0x0FFF &+ tieToEven
        return sign | UInt16(truncatingIfNeeded: rounded >> 13)
    }

    /// The exact Float32 value of a bfloat16 bit pattern.
    @inline(__always)
    package static func float(brain bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

    /// The nearest bfloat16, ties to even; NaN stays NaN (made quiet).
    @inline(__always)
    package static func brainBits(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if bits & 0x7FFF_FFFF > 0x7F80_0000 { return UInt16(truncatingIfNeeded: (bits >> 16) | 0x40) }
        return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ ((bits >> 16) & 1)) >> 16)
    }
}
