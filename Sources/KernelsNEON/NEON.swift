// SPDX-License-Identifier: Apache-2.0
// 64-bit ARM: four registers hold the sixteen lanes; the operations on them are those of the other instruction sets, in
// the same order, so all give the same bits. What every such processor has stands here; integer products, which newer
// ones do faster, are the business of the conformances.
//
// `public` and inlinable for the same reasons as in KernelCore.swift.

#if arch(arm64)

import CIntrinsics
import KernelCore

/// Sixteen Floats: lanes 0–3, 4–7, 8–11 and 12–15.
public struct Floats16 {
    public var a: float32x4_t
    public var b: float32x4_t
    public var c: float32x4_t
    public var d: float32x4_t
    @inlinable @inline(__always)
    public init(_ a: float32x4_t, _ b: float32x4_t, _ c: float32x4_t, _ d: float32x4_t) {
        self.a = a
        self.b = b
        self.c = c
        self.d = d
    }
}

/// Sixteen 32-bit integers, in the same order.
public struct Integers16 {
    public var a: int32x4_t
    public var b: int32x4_t
    public var c: int32x4_t
    public var d: int32x4_t
    @inlinable @inline(__always)
    public init(_ a: int32x4_t, _ b: int32x4_t, _ c: int32x4_t, _ d: int32x4_t) {
        self.a = a
        self.b = b
        self.c = c
        self.d = d
    }
}

/// Four signed bytes for each of sixteen rows, in the same order: nibbles, or q − 128.
public struct Bytes64 {
    public var a: int8x16_t
    public var b: int8x16_t
    public var c: int8x16_t
    public var d: int8x16_t
    @inlinable @inline(__always)
    public init(_ a: int8x16_t, _ b: int8x16_t, _ c: int8x16_t, _ d: int8x16_t) {
        self.a = a
        self.b = b
        self.c = c
        self.d = d
    }
}

/// An instruction set whose floating-point operations, and forms of weights, are those of this file.
public protocol NEON: InstructionSet
where
    Floats == Floats16, LowBitCodes == Bytes64, Codes == Bytes64, SignedCodes == Bytes64,
    ByteScales == Floats16
{
    /// sum[lane] + Σ w[lane][i] · a[i] over four bytes.
    static func add(_ sum: CodeSum, _ w: Bytes64, times a: Int32) -> CodeSum
}

// MARK: - Moving

extension NEON {
    @inlinable @inline(__always) public static func prefetch(_ p: UnsafeRawPointer) { tiller_prefetch(p) }
    @inlinable @inline(__always) public static func broadcast(_ x: Float) -> Floats16 {
        let v = vdupq_n_f32(x)
        return Floats16(v, v, v, v)
    }
    @inlinable @inline(__always) public static func load(_ p: UnsafePointer<Float>) -> Floats16 {
        Floats16(
            tiller_load_f32(p), tiller_load_f32(p + 4), tiller_load_f32(p + 8), tiller_load_f32(p + 12))
    }
    @inlinable @inline(__always)
    public static func load(_ p: UnsafePointer<Float>, count: Int, fill: Floats16) -> Floats16 {
        if count == 16 { return load(p) }
        return Floats16(
            tiller_load_some_f32(p, count, fill.a), tiller_load_some_f32(p + 4, count &- 4, fill.b),
            tiller_load_some_f32(p + 8, count &- 8, fill.c),
            tiller_load_some_f32(p + 12, count &- 12, fill.d))
    }
    @inlinable @inline(__always) public static func store(
        _ x: Floats16, to p: UnsafeMutablePointer<Float>
    ) {
        tiller_store_f32(p, x.a)
        tiller_store_f32(p + 4, x.b)
        tiller_store_f32(p + 8, x.c)
        tiller_store_f32(p + 12, x.d)
    }
    @inlinable @inline(__always)
    public static func store(_ x: Floats16, to p: UnsafeMutablePointer<Float>, count: Int) {
        if count == 16 { return store(x, to: p) }
        tiller_store_some_f32(p, count, x.a)
        tiller_store_some_f32(p + 4, count &- 4, x.b)
        tiller_store_some_f32(p + 8, count &- 8, x.c)
        tiller_store_some_f32(p + 12, count &- 12, x.d)
    }
    @inlinable @inline(__always) public static func loadHalves(_ p: UnsafeRawPointer) -> Floats16 {
        Floats16(
            tiller_load_f16(p), tiller_load_f16(p + 8), tiller_load_f16(p + 16), tiller_load_f16(p + 24))
    }
    @inlinable @inline(__always) public static func storeHalves(
        _ x: Floats16, to p: UnsafeMutableRawPointer
    ) {
        tiller_store_f16(p, x.a)
        tiller_store_f16(p + 8, x.b)
        tiller_store_f16(p + 16, x.c)
        tiller_store_f16(p + 24, x.d)
    }
    @inlinable @inline(__always) public static func loadBrainFloats(_ p: UnsafeRawPointer) -> Floats16 {
        Floats16(
            tiller_load_bf16(p), tiller_load_bf16(p + 8), tiller_load_bf16(p + 16),
            tiller_load_bf16(p + 24))
    }
    @inlinable @inline(__always) public static func loadUnsignedBytes(_ p: UnsafeRawPointer) -> Floats16 {
        let bytes = tiller_load_u8(p)
        let low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_high_u8(bytes)
        return Floats16(
            vcvtq_f32_u32(vmovl_u16(vget_low_u16(low))), vcvtq_f32_u32(vmovl_high_u16(low)),
            vcvtq_f32_u32(vmovl_u16(vget_low_u16(high))), vcvtq_f32_u32(vmovl_high_u16(high)))
    }
    @inlinable @inline(__always)
    public static func storeLowBytes(_ x: Floats16, to p: UnsafeMutableRawPointer) {
        // The even bytes of two registers, twice.
        let low = vuzp1q_u8(vreinterpretq_u8_f32(x.a), vreinterpretq_u8_f32(x.b))
        let high = vuzp1q_u8(vreinterpretq_u8_f32(x.c), vreinterpretq_u8_f32(x.d))
        tiller_store_u8(p, vuzp1q_u8(low, high))
    }
    @inlinable @inline(__always) public static func first(_ x: Floats16) -> Float {
        tiller_first_f32(x.a)
    }
}

// MARK: - Arithmetic

extension NEON {
    @inlinable @inline(__always) public static func add(_ x: Floats16, _ y: Floats16) -> Floats16 {
        Floats16(vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b), vaddq_f32(x.c, y.c), vaddq_f32(x.d, y.d))
    }
    @inlinable @inline(__always) public static func subtract(_ x: Floats16, _ y: Floats16) -> Floats16 {
        Floats16(vsubq_f32(x.a, y.a), vsubq_f32(x.b, y.b), vsubq_f32(x.c, y.c), vsubq_f32(x.d, y.d))
    }
    @inlinable @inline(__always) public static func multiply(_ x: Floats16, _ y: Floats16) -> Floats16 {
        Floats16(vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b), vmulq_f32(x.c, y.c), vmulq_f32(x.d, y.d))
    }
    @inlinable @inline(__always) public static func divide(_ x: Floats16, _ y: Floats16) -> Floats16 {
        Floats16(vdivq_f32(x.a, y.a), vdivq_f32(x.b, y.b), vdivq_f32(x.c, y.c), vdivq_f32(x.d, y.d))
    }
    @inlinable @inline(__always)
    public static func multiplyAdd(_ x: Floats16, _ y: Floats16, _ z: Floats16) -> Floats16 {
        Floats16(
            vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
            vfmaq_f32(z.d, x.d, y.d))
    }
    @inlinable @inline(__always)
    public static func subtractProduct(_ x: Floats16, _ y: Floats16, from z: Floats16) -> Floats16 {
        Floats16(
            vfmsq_f32(z.a, x.a, y.a), vfmsq_f32(z.b, x.b, y.b), vfmsq_f32(z.c, x.c, y.c),
            vfmsq_f32(z.d, x.d, y.d))
    }
    @inlinable @inline(__always) public static func minimum(_ x: Floats16, _ y: Floats16) -> Floats16 {
        Floats16(lower(x.a, y.a), lower(x.b, y.b), lower(x.c, y.c), lower(x.d, y.d))
    }
    @inlinable @inline(__always) public static func maximum(_ x: Floats16, _ y: Floats16) -> Floats16 {
        Floats16(higher(x.a, y.a), higher(x.b, y.b), higher(x.c, y.c), higher(x.d, y.d))
    }
    @inlinable @inline(__always) public static func magnitude(_ x: Floats16) -> Floats16 {
        Floats16(vabsq_f32(x.a), vabsq_f32(x.b), vabsq_f32(x.c), vabsq_f32(x.d))
    }
    @inlinable @inline(__always)
    public static func zero(_ x: Floats16, where y: Floats16, isBelow limit: Floats16) -> Floats16 {
        Floats16(
            zero(x.a, y.a, limit.a), zero(x.b, y.b, limit.b), zero(x.c, y.c, limit.c),
            zero(x.d, y.d, limit.d))
    }
    @inlinable @inline(__always)
    public static func scale(_ x: Floats16, byPowerOfTwoIn biased: Floats16) -> Floats16 {
        Floats16(
            tiller_scale_f32(x.a, biased.a), tiller_scale_f32(x.b, biased.b),
            tiller_scale_f32(x.c, biased.c), tiller_scale_f32(x.d, biased.d))
    }
    @inlinable @inline(__always) public static func sum(_ x: Floats16) -> Float {
        let four = vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d))
        return vpadds_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)))
    }
    @inlinable @inline(__always) public static func largest(_ x: Floats16) -> Float {
        vmaxnmvq_f32(higher(higher(x.a, x.c), higher(x.b, x.d)))
    }

    // Comparisons and not `vmin` and `vmax`: where one side is NaN they give y, as the other instruction sets do.
    @inlinable @inline(__always) static func lower(_ x: float32x4_t, _ y: float32x4_t) -> float32x4_t {
        vbslq_f32(vcltq_f32(x, y), x, y)
    }
    @inlinable @inline(__always) static func higher(_ x: float32x4_t, _ y: float32x4_t) -> float32x4_t {
        vbslq_f32(vcgtq_f32(x, y), x, y)
    }
    @inlinable @inline(__always)
    static func zero(_ x: float32x4_t, _ y: float32x4_t, _ limit: float32x4_t) -> float32x4_t {
        vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), vcltq_f32(y, limit)))
    }
}

// MARK: - Weights

extension NEON {
    @inlinable @inline(__always)
    public static func loadNibbles(_ p: UnsafeRawPointer) -> (low: Bytes64, high: Bytes64) {
        let mask = vdupq_n_u8(15)
        let a = tiller_load_u8(p), b = tiller_load_u8(p + 16)
        let c = tiller_load_u8(p + 32), d = tiller_load_u8(p + 48)
        return (
            Bytes64(
                vreinterpretq_s8_u8(vandq_u8(a, mask)), vreinterpretq_s8_u8(vandq_u8(b, mask)),
                vreinterpretq_s8_u8(vandq_u8(c, mask)), vreinterpretq_s8_u8(vandq_u8(d, mask))),
            Bytes64(
                tiller_high_nibbles(a), tiller_high_nibbles(b), tiller_high_nibbles(c),
                tiller_high_nibbles(d))
        )
    }
    @inlinable @inline(__always)
    public static func loadFields(_ p: UnsafeRawPointer, first: Int, mask: UInt8, place: Int) -> Bytes64 {
        let mask = vdupq_n_u8(mask &<< UInt8(truncatingIfNeeded: place))
        let move = vdupq_n_s8(Int8(truncatingIfNeeded: place &- first))
        return Bytes64(
            field(p, move, mask), field(p + 16, move, mask), field(p + 32, move, mask),
            field(p + 48, move, mask))
    }
    @inlinable @inline(__always)
    static func field(_ p: UnsafeRawPointer, _ move: int8x16_t, _ mask: uint8x16_t) -> int8x16_t {
        vreinterpretq_s8_u8(vandq_u8(vshlq_u8(tiller_load_u8(p), move), mask))
    }
    @inlinable @inline(__always) public static func join(_ a: Bytes64, _ b: Bytes64) -> Bytes64 {
        Bytes64(vorrq_s8(a.a, b.a), vorrq_s8(a.b, b.b), vorrq_s8(a.c, b.c), vorrq_s8(a.d, b.d))
    }
    @inlinable @inline(__always) public static func loadCodes(_ p: UnsafeRawPointer) -> Bytes64 {
        let offset = vdupq_n_s8(-128)
        return Bytes64(
            veorq_s8(tiller_load_s8(p), offset), veorq_s8(tiller_load_s8(p + 16), offset),
            veorq_s8(tiller_load_s8(p + 32), offset), veorq_s8(tiller_load_s8(p + 48), offset))
    }
    @inlinable @inline(__always) public static func loadSignedCodes(_ p: UnsafeRawPointer) -> Bytes64 {
        Bytes64(
            tiller_load_s8(p), tiller_load_s8(p + 16), tiller_load_s8(p + 32), tiller_load_s8(p + 48))
    }
    @inlinable @inline(__always)
    public static func add(_ sum: CodeSum, _ w: Bytes64, timesUnsigned a: Int32) -> CodeSum {
        add(sum, w, times: a)
    }
    @inlinable @inline(__always)
    public static func add(_ sum: CodeSum, _ w: Bytes64, times a: Int32, scaledBy scales: Floats16) -> CodeSum
    {
        add(sum, w, times: a)
    }
    @inlinable @inline(__always) public static func loadByteScales(_ p: UnsafeRawPointer) -> Floats16 {
        loadUnsignedBytes(p)
    }
    @inlinable @inline(__always) public static func unitByteScales() -> Floats16 { broadcast(1) }
    /// The same four activations for four rows.
    @inlinable @inline(__always) public static func activations(_ a: Int32) -> int8x16_t {
        vreinterpretq_s8_s32(vdupq_n_s32(a))
    }
    @inlinable @inline(__always)
    public static func floats(_ x: Integers16, scaledBy scales: Floats16) -> Floats16 {
        multiply(
            Floats16(vcvtq_f32_s32(x.a), vcvtq_f32_s32(x.b), vcvtq_f32_s32(x.c), vcvtq_f32_s32(x.d)), scales)
    }
}

#endif
