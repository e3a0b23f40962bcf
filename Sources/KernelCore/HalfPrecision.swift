// SPDX-License-Identifier: Apache-2.0
// IEEE binary16 in plain integer arithmetic, for single values and for CPUs without the instructions. The results equal those
// of `Float16Bits.bits` of Quantization, which kernels cannot import.

/// The IEEE binary16 bit pattern nearest to a value, ties to even.
@inlinable @inline(__always)
public func halfBits(_ x: Float) -> UInt16 {
    let bits = x.bitPattern
    let sign = UInt16(truncatingIfNeeded: bits &>> 16) & 0x8000
    let magnitude = bits & 0x7FFF_FFFF
    if magnitude > 0x7F80_0000 {
        return sign | 0x7E00 | UInt16(truncatingIfNeeded: (magnitude &>> 13) & 0x3FF)
    }
    if magnitude >= 0x477F_F000 { return sign | 0x7C00 }  // 65520 and above round to infinity
    if magnitude < 0x3880_0000 {
        // Below 2⁻¹⁴: after adding ½, the lowest bits hold the value, rounded, in units of 2⁻²⁴.
        let shifted = Float(bitPattern: magnitude) + 0.5
        return sign | UInt16(truncatingIfNeeded: shifted.bitPattern &- 0x3F00_0000)
    }
    let odd = (magnitude &>> 13) & 1
    return sign | UInt16(truncatingIfNeeded: (magnitude &- 0x3800_0000 &+ 0xFFF &+ odd) &>> 13)
}
