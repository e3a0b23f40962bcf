// SPDX-License-Identifier: Apache-2.0
// x86-64-v3 (AVX2, FMA, F16C): two registers hold the sixteen lanes; the operations on them are those of AVX-512, in
// the same order, so both give the same bits.
// One file: what two files share would be emitted as weak symbols. No arrays, closures or strings: see KernelCore.swift.

#if arch(x86_64)

import CIntrinsics
import KernelCore

/// What belongs to the lanes 0–7 and 8–15.
private struct Halves<A, B> {
    var a: A
    var b: B
    @inline(__always) init(_ a: A, _ b: B) {
        self.a = a
        self.b = b
    }
}
/// Sixteen Floats.
private typealias Floats16 = Halves<__m256, __m256>
/// 64 bytes of integers.
private typealias Integers16 = Halves<__m256i, __m256i>

/// Which rows of a tile: 0–7 or 8–15.
private protocol Half { static var index: Int { get } }
private enum Low: Half { @inline(__always) static var index: Int { 0 } }
private enum High: Half { @inline(__always) static var index: Int { 1 } }

/// Half of a tile's rows, one register.
private enum AVX2Half<H: Half>: TileLanes {
    typealias Floats = __m256
    typealias LowBitCodes = __m256i
    typealias SignedCodes = __m256i
    /// Each scale twice, in 16 bits: what adds pairs of products multiplies them too.
    typealias ByteScales = __m256i

    /// Sums of pairs of products, 16 bits each: at most 8 · (2 · 15 · 127) = 30480 or 4 · (2 · 31 · 127) = 31496 < 2¹⁵.
    struct LowBitSum {
        var pairs: __m256i
        @inline(__always) init(_ pairs: __m256i) { self.pairs = pairs }
    }

    /// w = q − 128 as |w| (128 fits an unsigned byte) and w, whose sign goes over to the activations.
    struct Codes {
        var magnitudes: __m256i
        var signs: __m256i
        @inline(__always) init(magnitudes: __m256i, signs: __m256i) {
            self.magnitudes = magnitudes
            self.signs = signs
        }
    }

    struct CodeSum {
        var lanes: __m256i
        @inline(__always) init(_ lanes: __m256i) { self.lanes = lanes }
    }

    // MARK: - Moving

    @inline(__always) static func prefetch(_ p: UnsafeRawPointer) { tiller_prefetch(p) }
    @inline(__always) static func prefetchLater(_ p: UnsafeRawPointer) { tiller_prefetch_later(p) }
    @inline(__always) static func broadcast(_ x: Float) -> __m256 { _mm256_set1_ps(x) }
    @inline(__always) static func store(_ x: __m256, to p: UnsafeMutablePointer<Float>) {
        _mm256_storeu_ps(p + H.index &* 8, x)
    }
    @inline(__always) static func store(_ x: __m256, to p: UnsafeMutablePointer<Float>, count: Int) {
        _mm256_maskstore_ps(p + H.index &* 8, mask(count), x)
    }
    /// All bits set in the rows below `count`.
    @inline(__always) static func mask(_ count: Int) -> __m256i {
        let n = _mm256_set1_epi32(Int32(truncatingIfNeeded: count &- H.index &* 8))
        return _mm256_cmpgt_epi32(n, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
    }
    @inline(__always) static func loadHalves(_ p: UnsafeRawPointer) -> __m256 {
        _mm256_cvtph_ps(load16(p + H.index &* 16))
    }
    @inline(__always) static func loadBrainFloats(_ p: UnsafeRawPointer) -> __m256 {
        _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(p + H.index &* 16)), 16))
    }
    @inline(__always) static func loadUnsignedBytes(_ p: UnsafeRawPointer) -> __m256 {
        _mm256_cvtepi32_ps(bytes(p))
    }
    @inline(__always) private static func load16(_ p: UnsafeRawPointer) -> __m128i {
        _mm_loadu_si128(p.assumingMemoryBound(to: __m128i_u.self))
    }
    @inline(__always) private static func load32(_ p: UnsafeRawPointer) -> __m256i {
        _mm256_loadu_si256((p + H.index &* 32).assumingMemoryBound(to: __m256i_u.self))
    }
    /// Eight of sixteen unsigned bytes.
    @inline(__always) private static func bytes(_ p: UnsafeRawPointer) -> __m256i {
        _mm256_cvtepu8_epi32(_mm_loadl_epi64((p + H.index &* 8).assumingMemoryBound(to: __m128i.self)))
    }

    // MARK: - Arithmetic

    @inline(__always) static func multiply(_ x: __m256, _ y: __m256) -> __m256 { _mm256_mul_ps(x, y) }
    @inline(__always) static func multiplyAdd(_ x: __m256, _ y: __m256, _ z: __m256) -> __m256 {
        _mm256_fmadd_ps(x, y, z)
    }
    @inline(__always) static func subtractProduct(_ x: __m256, _ y: __m256, from z: __m256) -> __m256 {
        _mm256_fnmadd_ps(x, y, z)
    }

    // MARK: - Integer products

    // Loops stay loops: unrolled, the compiler goes through them token by token, all weights of a group in memory.
    @inline(__always) static func tripCount(_ count: Int) -> Int { tiller_hidden(count) }

    @inline(__always) static func loadNibbles(_ p: UnsafeRawPointer) -> (low: __m256i, high: __m256i) {
        let mask = _mm256_set1_epi8(15), q = load32(p)
        return (_mm256_and_si256(q, mask), _mm256_and_si256(_mm256_srli_epi16(q, 4), mask))
    }
    @inline(__always) static func loadFields(
        _ p: UnsafeRawPointer, first: Int, mask: UInt8, place: Int
    ) -> __m256i {
        let mask = _mm256_set1_epi8(Int8(truncatingIfNeeded: mask &<< UInt8(truncatingIfNeeded: place)))
        // Bits moved within 16-bit words: those that cross bytes are masked away.
        let moved =
            first < place
            ? _mm256_slli_epi16(load32(p), Int32(truncatingIfNeeded: place &- first))
            : _mm256_srli_epi16(load32(p), Int32(truncatingIfNeeded: first &- place))
        return _mm256_and_si256(moved, mask)
    }
    @inline(__always) static func join(_ a: __m256i, _ b: __m256i) -> __m256i { _mm256_or_si256(a, b) }
    @inline(__always) static func emptyNibbleSum() -> LowBitSum { LowBitSum(_mm256_setzero_si256()) }
    @inline(__always) static func add(_ sum: LowBitSum, _ w: __m256i, times a: Int32) -> LowBitSum {
        LowBitSum(_mm256_add_epi16(sum.pairs, _mm256_maddubs_epi16(w, _mm256_set1_epi32(a))))
    }
    @inline(__always) static func floats(_ sum: LowBitSum, scaledBy scales: __m256i) -> __m256 {
        _mm256_cvtepi32_ps(_mm256_madd_epi16(sum.pairs, scales))
    }

    // `maddubs` saturates sums of pairs at 2¹⁵, which unsigned codes up to 255 would exceed. |w| ≤ 128 keeps them within
    // 2 · 128 · 127 = 32512.
    @inline(__always) static func loadCodes(_ p: UnsafeRawPointer) -> Codes {
        let w = _mm256_xor_si256(load32(p), _mm256_set1_epi8(-128))
        return Codes(magnitudes: _mm256_abs_epi8(w), signs: w)
    }
    @inline(__always) static func emptyCodeSum(correction: Int32) -> CodeSum {
        CodeSum(_mm256_setzero_si256())
    }
    @inline(__always) static func add(
        _ sum: CodeSum, _ w: Codes, times a: Int32, scaledBy scales: __m256i
    ) -> CodeSum {
        let pairs = _mm256_maddubs_epi16(w.magnitudes, _mm256_sign_epi8(_mm256_set1_epi32(a), w.signs))
        return CodeSum(_mm256_add_epi32(sum.lanes, _mm256_madd_epi16(pairs, scales)))
    }
    @inline(__always) static func loadSignedCodes(_ p: UnsafeRawPointer) -> __m256i { load32(p) }
    @inline(__always) static func add(_ sum: CodeSum, _ w: __m256i, timesUnsigned a: Int32) -> CodeSum {
        let pairs = _mm256_maddubs_epi16(_mm256_set1_epi32(a), w)
        return CodeSum(_mm256_add_epi32(sum.lanes, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))))
    }
    @inline(__always) static func floats(_ sum: CodeSum, scaledBy scales: __m256i) -> __m256 {
        _mm256_cvtepi32_ps(sum.lanes)
    }
    @inline(__always) static func loadByteScales(_ p: UnsafeRawPointer) -> __m256i {
        let scales = bytes(p)
        return _mm256_or_si256(scales, _mm256_slli_epi32(scales, 16))
    }
    @inline(__always) static func unitByteScales() -> __m256i { _mm256_set1_epi16(1) }
}

/// All rows of a tile: the two halves, wherever they go their own ways.
private enum AVX2: InstructionSet {
    typealias Lower = AVX2Half<Low>
    typealias Upper = AVX2Half<High>
    typealias Floats = Floats16
    typealias LowBitCodes = Integers16
    typealias SignedCodes = Integers16
    typealias ByteScales = Integers16
    typealias LowBitSum = Halves<Lower.LowBitSum, Upper.LowBitSum>
    typealias Codes = Halves<Lower.Codes, Upper.Codes>
    typealias CodeSum = Halves<Lower.CodeSum, Upper.CodeSum>

    // MARK: - Moving

    @inline(__always) static func prefetch(_ p: UnsafeRawPointer) { tiller_prefetch(p) }
    @inline(__always) static func prefetchLater(_ p: UnsafeRawPointer) { tiller_prefetch_later(p) }
    @inline(__always) static func broadcast(_ x: Float) -> Floats16 {
        let v = _mm256_set1_ps(x)
        return Floats16(v, v)
    }
    @inline(__always) static func load(_ p: UnsafePointer<Float>) -> Floats16 {
        Floats16(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8))
    }
    @inline(__always) static func load(_ p: UnsafePointer<Float>, count: Int, fill: Floats16) -> Floats16 {
        if count == 16 { return load(p) }
        let m = Integers16(Lower.mask(count), Upper.mask(count))
        return Floats16(
            _mm256_blendv_ps(fill.a, _mm256_maskload_ps(p, m.a), _mm256_castsi256_ps(m.a)),
            _mm256_blendv_ps(fill.b, _mm256_maskload_ps(p + 8, m.b), _mm256_castsi256_ps(m.b)))
    }
    @inline(__always) static func store(_ x: Floats16, to p: UnsafeMutablePointer<Float>) {
        Lower.store(x.a, to: p)
        Upper.store(x.b, to: p)
    }
    @inline(__always) static func store(_ x: Floats16, to p: UnsafeMutablePointer<Float>, count: Int) {
        if count == 16 { return store(x, to: p) }
        Lower.store(x.a, to: p, count: count)
        Upper.store(x.b, to: p, count: count)
    }
    @inline(__always) static func loadHalves(_ p: UnsafeRawPointer) -> Floats16 {
        Floats16(Lower.loadHalves(p), Upper.loadHalves(p))
    }
    @inline(__always) static func storeHalves(_ x: Floats16, to p: UnsafeMutableRawPointer) {
        _mm_storeu_si128(p.assumingMemoryBound(to: __m128i_u.self), tiller_halves_ps(x.a))
        _mm_storeu_si128((p + 16).assumingMemoryBound(to: __m128i_u.self), tiller_halves_ps(x.b))
    }
    @inline(__always) static func loadBrainFloats(_ p: UnsafeRawPointer) -> Floats16 {
        Floats16(Lower.loadBrainFloats(p), Upper.loadBrainFloats(p))
    }
    @inline(__always) static func loadUnsignedBytes(_ p: UnsafeRawPointer) -> Floats16 {
        Floats16(Lower.loadUnsignedBytes(p), Upper.loadUnsignedBytes(p))
    }
    @inline(__always) static func storeLowBytes(_ x: Floats16, to p: UnsafeMutableRawPointer) {
        // Bytes 0, 4, 8 and 12 of each half register.
        let pick = _mm256_setr_epi8(
            0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
            0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1)
        let a = _mm256_shuffle_epi8(_mm256_castps_si256(x.a), pick)
        let b = _mm256_shuffle_epi8(_mm256_castps_si256(x.b), pick)
        let first = _mm_unpacklo_epi32(_mm256_castsi256_si128(a), tiller_high_si256(a))
        let second = _mm_unpacklo_epi32(_mm256_castsi256_si128(b), tiller_high_si256(b))
        _mm_storeu_si128(p.assumingMemoryBound(to: __m128i_u.self), _mm_unpacklo_epi64(first, second))
    }
    @inline(__always) static func first(_ x: Floats16) -> Float { _mm256_cvtss_f32(x.a) }

    // MARK: - Arithmetic

    @inline(__always) static func add(_ x: Floats16, _ y: Floats16) -> Floats16 {
        Floats16(_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b))
    }
    @inline(__always) static func subtract(_ x: Floats16, _ y: Floats16) -> Floats16 {
        Floats16(_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b))
    }
    @inline(__always) static func multiply(_ x: Floats16, _ y: Floats16) -> Floats16 {
        Floats16(_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b))
    }
    @inline(__always) static func divide(_ x: Floats16, _ y: Floats16) -> Floats16 {
        Floats16(_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b))
    }
    @inline(__always) static func multiplyAdd(_ x: Floats16, _ y: Floats16, _ z: Floats16) -> Floats16 {
        Floats16(_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b))
    }
    @inline(__always) static func subtractProduct(_ x: Floats16, _ y: Floats16, from z: Floats16) -> Floats16
    {
        Floats16(_mm256_fnmadd_ps(x.a, y.a, z.a), _mm256_fnmadd_ps(x.b, y.b, z.b))
    }
    @inline(__always) static func minimum(_ x: Floats16, _ y: Floats16) -> Floats16 {
        Floats16(_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b))
    }
    @inline(__always) static func maximum(_ x: Floats16, _ y: Floats16) -> Floats16 {
        Floats16(_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b))
    }
    @inline(__always) static func magnitude(_ x: Floats16) -> Floats16 {
        let sign = _mm256_set1_ps(-0.0)
        return Floats16(_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b))
    }
    @inline(__always) static func zero(_ x: Floats16, where y: Floats16, isBelow limit: Floats16) -> Floats16
    {
        Floats16(tiller_zero_below_ps(x.a, y.a, limit.a), tiller_zero_below_ps(x.b, y.b, limit.b))
    }
    @inline(__always) static func scale(_ x: Floats16, byPowerOfTwoIn biased: Floats16) -> Floats16 {
        Floats16(scale(x.a, biased.a), scale(x.b, biased.b))
    }
    @inline(__always) private static func scale(_ x: __m256, _ biased: __m256) -> __m256 {
        let exponent = _mm256_slli_epi32(_mm256_castps_si256(biased), 23)
        return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), exponent))
    }
    @inline(__always) static func sum(_ x: Floats16) -> Float {
        let eight = _mm256_add_ps(x.a, x.b)
        let four = _mm_add_ps(_mm256_castps256_ps128(eight), tiller_high_ps(eight))
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four))
        return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
    @inline(__always) static func largest(_ x: Floats16) -> Float {
        let eight = _mm256_max_ps(x.a, x.b)
        let four = _mm_max_ps(_mm256_castps256_ps128(eight), tiller_high_ps(eight))
        let two = _mm_max_ps(four, _mm_movehl_ps(four, four))
        return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
    }

    // MARK: - Integer products

    @inline(__always) static func loadNibbles(_ p: UnsafeRawPointer) -> (low: Integers16, high: Integers16) {
        let a = Lower.loadNibbles(p), b = Upper.loadNibbles(p)
        return (Integers16(a.low, b.low), Integers16(a.high, b.high))
    }
    @inline(__always) static func loadFields(
        _ p: UnsafeRawPointer, first: Int, mask: UInt8, place: Int
    ) -> Integers16 {
        Integers16(
            Lower.loadFields(p, first: first, mask: mask, place: place),
            Upper.loadFields(p, first: first, mask: mask, place: place))
    }
    @inline(__always) static func join(_ x: Integers16, _ y: Integers16) -> Integers16 {
        Integers16(Lower.join(x.a, y.a), Upper.join(x.b, y.b))
    }
    @inline(__always) static func emptyNibbleSum() -> LowBitSum {
        LowBitSum(Lower.emptyNibbleSum(), Upper.emptyNibbleSum())
    }
    @inline(__always) static func add(_ sum: LowBitSum, _ w: Integers16, times a: Int32) -> LowBitSum {
        LowBitSum(Lower.add(sum.a, w.a, times: a), Upper.add(sum.b, w.b, times: a))
    }
    @inline(__always) static func floats(_ sum: LowBitSum, scaledBy scales: Integers16) -> Floats16 {
        Floats16(Lower.floats(sum.a, scaledBy: scales.a), Upper.floats(sum.b, scaledBy: scales.b))
    }
    @inline(__always) static func loadCodes(_ p: UnsafeRawPointer) -> Codes {
        Codes(Lower.loadCodes(p), Upper.loadCodes(p))
    }
    @inline(__always) static func emptyCodeSum(correction: Int32) -> CodeSum {
        CodeSum(Lower.emptyCodeSum(correction: correction), Upper.emptyCodeSum(correction: correction))
    }
    @inline(__always) static func add(
        _ sum: CodeSum, _ w: Codes, times a: Int32, scaledBy scales: Integers16
    ) -> CodeSum {
        CodeSum(
            Lower.add(sum.a, w.a, times: a, scaledBy: scales.a),
            Upper.add(sum.b, w.b, times: a, scaledBy: scales.b))
    }
    @inline(__always) static func loadSignedCodes(_ p: UnsafeRawPointer) -> Integers16 {
        Integers16(Lower.loadSignedCodes(p), Upper.loadSignedCodes(p))
    }
    @inline(__always) static func add(_ sum: CodeSum, _ w: Integers16, timesUnsigned a: Int32) -> CodeSum {
        CodeSum(Lower.add(sum.a, w.a, timesUnsigned: a), Upper.add(sum.b, w.b, timesUnsigned: a))
    }
    @inline(__always) static func floats(_ sum: CodeSum, scaledBy scales: Integers16) -> Floats16 {
        Floats16(Lower.floats(sum.a, scaledBy: scales.a), Upper.floats(sum.b, scaledBy: scales.b))
    }
    @inline(__always) static func loadByteScales(_ p: UnsafeRawPointer) -> Integers16 {
        Integers16(Lower.loadByteScales(p), Upper.loadByteScales(p))
    }
    @inline(__always) static func unitByteScales() -> Integers16 {
        Integers16(Lower.unitByteScales(), Upper.unitByteScales())
    }
}

// MARK: - The kernels, each inlined into one function

/// The kernels of this instruction set.
package var avx2Kernels: KernelTable {
    KernelTable(
        multiplyFloat32: multiplyFloat32, multiplyFloat16: multiplyFloat16, multiplyInt8: multiplyInt8,
        multiplyInt5: multiplyInt5, multiplyInt4: multiplyInt4, multiplyInt3: multiplyInt3,
        multiplyKeys: multiplyKeys, multiplyValues: multiplyValues,
        quantize: quantize, quantizeScores: quantizeScores, normalize: normalize, dot: dot, add: add,
        addScaled: addScaled,
        scale: scale, gateSilu: gateSilu, gateGeluTanh: gateGeluTanh, rotate: rotate, largest: largest,
        sumExponentials: sumExponentials, storeHalves: storeHalves, addKeyBias: addKeyBias,
        softcap: softcap, softmax: softmax, mergeSoftmax: mergeSoftmax)
}

// Functions with names, not closures: those would be emitted as weak symbols.

private typealias Input = KernelTable.Input
private typealias Output = KernelTable.Output
private typealias State = UnsafeMutablePointer<SoftmaxState>
private typealias Wide = Four<AVX2>
private typealias Lower = AVX2.Lower
private typealias Upper = AVX2.Upper

private func multiplyFloat32(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(FloatTile<Float32Columns<AVX2>>.self, Wide.self, p, first, end)
}
private func multiplyFloat16(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(FloatTile<Float16Columns<AVX2>>.self, Wide.self, p, first, end)
}
private func multiplyInt8(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(
        Int8Tile<AVX2>.self, halves: Int8Tile<Lower>.self, Int8Tile<Upper>.self, p, first, end)
}
private func multiplyInt5(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(
        AffineTile<FiveBits<AVX2>>.self, halves: AffineTile<FiveBits<Lower>>.self,
        AffineTile<FiveBits<Upper>>.self, p, first, end)
}
private func multiplyInt4(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(
        AffineTile<FourBits<AVX2>>.self, halves: AffineTile<FourBits<Lower>>.self,
        AffineTile<FourBits<Upper>>.self, p, first, end)
}
private func multiplyInt3(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(
        AffineTile<ThreeBits<AVX2>>.self, halves: AffineTile<ThreeBits<Lower>>.self,
        AffineTile<ThreeBits<Upper>>.self, p, first, end)
}
private func multiplyKeys(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(
        KeyTile<AVX2>.self, halves: KeyTile<Lower>.self, KeyTile<Upper>.self, p, first, end)
}
private func multiplyValues(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(
        ValueTile<AVX2>.self, halves: ValueTile<Lower>.self, ValueTile<Upper>.self, p, first, end)
}

private func quantize(_ x: Input, _ groups: UnsafeMutablePointer<QuantizedGroup>, _ count: Int) {
    KernelCore.quantize(AVX2.self, x, groups, count)
}
private func quantizeScores(_ w: ScaledScores) { KernelCore.quantizeScores(AVX2.self, w) }
private func normalize(_ x: Input, _ weight: Input, _ output: Output, _ count: Int, _ epsilon: Float) {
    KernelCore.normalize(AVX2.self, x, weight, output, count, epsilon)
}
private func dot(_ a: Input, _ b: Input, _ count: Int) -> Float {
    KernelCore.dot(AVX2.self, a, b, count)
}
private func add(_ y: Input, _ x: Output, _ count: Int) {
    KernelCore.add(AVX2.self, y, x, count)
}
private func addScaled(_ y: Input, _ factor: Float, _ x: Output, _ count: Int) {
    KernelCore.addScaled(AVX2.self, y, factor, x, count)
}
private func scale(_ x: Input, _ factor: Float, _ output: Output, _ count: Int) {
    KernelCore.scale(AVX2.self, x, factor, output, count)
}
private func gateSilu(_ gate: Input, _ up: Input, _ output: Output, _ count: Int) {
    KernelCore.gateSilu(AVX2.self, gate, up, output, count)
}
private func gateGeluTanh(_ gate: Input, _ up: Input, _ output: Output, _ count: Int) {
    KernelCore.gateGeluTanh(AVX2.self, gate, up, output, count)
}
private func rotate(_ x: Output, _ cosines: Input, _ sines: Input, _ half: Int, _ heads: Int, _ headSize: Int)
{
    KernelCore.rotate(AVX2.self, x, cosines, sines, half, heads, headSize)
}
private func largest(_ x: Input, _ count: Int) -> Float {
    KernelCore.largest(AVX2.self, x, count)
}
private func sumExponentials(_ x: Input, _ offset: Float, _ count: Int) -> Float {
    KernelCore.sumExponentials(AVX2.self, x, offset, count)
}
private func storeHalves(_ x: Input, _ output: UnsafeMutableRawPointer, _ count: Int) {
    KernelCore.storeHalves(AVX2.self, x, output, count)
}
private func addKeyBias(_ scores: KeyBiasScores) { KernelCore.addKeyBias(AVX2.self, scores) }
private func softcap(_ x: Output, _ cap: Float, _ count: Int) {
    KernelCore.softcap(AVX2.self, x, cap, count)
}
private func softmax(_ rows: ScoreRows) { KernelCore.softmax(AVX2.self, rows) }
private func mergeSoftmax(
    _ part: Input, _ new: UnsafePointer<SoftmaxState>, _ total: Output, _ state: State, _ count: Int
) {
    KernelCore.mergeSoftmax(AVX2.self, part, new, total, state, count)
}

#endif
