// SPDX-License-Identifier: Apache-2.0
// 8-bit floating point as bit patterns (arXiv 2209.05433).

/// Conversions from the bits of 8-bit floating point to Float32.
enum Float8Bits {
    /// The values of E4M3 in its usual variant, FN: no infinities; 0x7F and 0xFF are NaN.
    static let e4m3: [Float] = (0..<256).map { bits in
        let (exponent, mantissa) = (bits >> 3 & 15, bits & 7)
        let magnitude: Float =
            bits & 0x7F == 0x7F
            ? .nan
            : exponent == 0
                ? Float(mantissa) * 0x1p-9
                : Float(sign: .plus, exponent: exponent - 7, significand: 1 + Float(mantissa) / 8)
        return bits >= 128 ? -magnitude : magnitude
    }
}
