// SPDX-License-Identifier: Apache-2.0
// x86-64-v4 with VNNI: a vector register holds the sixteen lanes, `vpdpbusd` adds four byte products to each.
// One file: what two files share would be emitted as weak symbols. No arrays, closures or strings: see KernelCore.swift.

#if arch(x86_64)

import CIntrinsics
import KernelCore

private enum AVX512: InstructionSet {
    typealias Floats = __m512
    typealias LowBitCodes = __m512i
    typealias LowBitSum = __m512i
    typealias Codes = __m512i
    typealias SignedCodes = __m512i
    typealias ByteScales = __m512

    /// Its own type, so that a sum over codes cannot be taken for one over nibbles.
    struct CodeSum {
        var lanes: __m512i
        @inline(__always) init(_ lanes: __m512i) { self.lanes = lanes }
    }

    @inline(__always) static var registerCount: Int { 32 }

    // MARK: - Moving

    @inline(__always) static func prefetch(_ p: UnsafeRawPointer) { tiller_prefetch(p) }
    @inline(__always) static func prefetchLater(_ p: UnsafeRawPointer) { tiller_prefetch_later(p) }
    @inline(__always) static func broadcast(_ x: Float) -> __m512 { _mm512_set1_ps(x) }
    @inline(__always) static func load(_ p: UnsafePointer<Float>) -> __m512 { _mm512_loadu_ps(p) }
    @inline(__always) static func load(_ p: UnsafePointer<Float>, count: Int, fill: __m512) -> __m512 {
        count == 16 ? load(p) : _mm512_mask_loadu_ps(fill, mask(count), p)
    }
    @inline(__always) static func store(_ x: __m512, to p: UnsafeMutablePointer<Float>) {
        _mm512_storeu_ps(p, x)
    }
    @inline(__always) static func store(_ x: __m512, to p: UnsafeMutablePointer<Float>, count: Int) {
        if count == 16 { store(x, to: p) } else { _mm512_mask_storeu_ps(p, mask(count), x) }
    }
    @inline(__always) static func loadHalves(_ p: UnsafeRawPointer) -> __m512 {
        _mm512_cvtph_ps(_mm256_loadu_si256(p.assumingMemoryBound(to: __m256i_u.self)))
    }
    @inline(__always) static func storeHalves(_ x: __m512, to p: UnsafeMutableRawPointer) {
        _mm256_storeu_si256(p.assumingMemoryBound(to: __m256i_u.self), tiller_halves512_ps(x))
    }
    @inline(__always) static func loadBrainFloats(_ p: UnsafeRawPointer) -> __m512 {
        let words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.assumingMemoryBound(to: __m256i_u.self)))
        return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16))
    }
    @inline(__always) static func loadUnsignedBytes(_ p: UnsafeRawPointer) -> __m512 {
        _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(p.assumingMemoryBound(to: __m128i_u.self))))
    }
    @inline(__always) static func storeLowBytes(_ x: __m512, to p: UnsafeMutableRawPointer) {
        _mm_storeu_si128(
            p.assumingMemoryBound(to: __m128i_u.self), _mm512_cvtepi32_epi8(_mm512_castps_si512(x)))
    }
    @inline(__always) static func first(_ x: __m512) -> Float { _mm512_cvtss_f32(x) }
    @inline(__always) private static func mask(_ count: Int) -> __mmask16 {
        __mmask16(truncatingIfNeeded: (1 &<< count) &- 1)
    }

    // MARK: - Arithmetic

    @inline(__always) static func add(_ a: __m512, _ b: __m512) -> __m512 { _mm512_add_ps(a, b) }
    @inline(__always) static func subtract(_ a: __m512, _ b: __m512) -> __m512 { _mm512_sub_ps(a, b) }
    @inline(__always) static func multiply(_ a: __m512, _ b: __m512) -> __m512 { _mm512_mul_ps(a, b) }
    @inline(__always) static func divide(_ a: __m512, _ b: __m512) -> __m512 { _mm512_div_ps(a, b) }
    @inline(__always) static func multiplyAdd(_ a: __m512, _ b: __m512, _ c: __m512) -> __m512 {
        _mm512_fmadd_ps(a, b, c)
    }
    @inline(__always) static func subtractProduct(_ a: __m512, _ b: __m512, from c: __m512) -> __m512 {
        _mm512_fnmadd_ps(a, b, c)
    }
    @inline(__always) static func minimum(_ a: __m512, _ b: __m512) -> __m512 { _mm512_min_ps(a, b) }
    @inline(__always) static func maximum(_ a: __m512, _ b: __m512) -> __m512 { _mm512_max_ps(a, b) }
    @inline(__always) static func magnitude(_ a: __m512) -> __m512 { _mm512_abs_ps(a) }
    @inline(__always) static func zero(_ x: __m512, where y: __m512, isBelow limit: __m512) -> __m512 {
        tiller_zero_below512_ps(x, y, limit)
    }
    @inline(__always) static func scale(_ x: __m512, byPowerOfTwoIn biased: __m512) -> __m512 {
        let exponent = _mm512_slli_epi32(_mm512_castps_si512(biased), 23)
        return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), exponent))
    }
    @inline(__always) static func sum(_ x: __m512) -> Float {
        let eight = _mm256_add_ps(_mm512_castps512_ps256(x), tiller_high512_ps(x))
        let four = _mm_add_ps(_mm256_castps256_ps128(eight), tiller_high_ps(eight))
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four))
        return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
    @inline(__always) static func largest(_ x: __m512) -> Float {
        let eight = _mm256_max_ps(_mm512_castps512_ps256(x), tiller_high512_ps(x))
        let four = _mm_max_ps(_mm256_castps256_ps128(eight), tiller_high_ps(eight))
        let two = _mm_max_ps(four, _mm_movehl_ps(four, four))
        return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
    }

    // MARK: - Integer products

    @inline(__always) static func loadNibbles(_ p: UnsafeRawPointer) -> (low: __m512i, high: __m512i) {
        let mask = _mm512_set1_epi8(15), q = _mm512_loadu_si512(p)
        return (_mm512_and_si512(q, mask), _mm512_and_si512(_mm512_srli_epi16(q, 4), mask))
    }
    @inline(__always) static func loadFields(
        _ p: UnsafeRawPointer, first: Int, mask: UInt8, place: Int
    ) -> __m512i {
        let mask = _mm512_set1_epi8(Int8(truncatingIfNeeded: mask &<< UInt8(truncatingIfNeeded: place)))
        let q = _mm512_loadu_si512(p)
        let moved =
            first < place
            ? _mm512_slli_epi16(q, UInt32(truncatingIfNeeded: place &- first))
            : _mm512_srli_epi16(q, UInt32(truncatingIfNeeded: first &- place))
        return _mm512_and_si512(moved, mask)
    }
    @inline(__always) static func join(_ a: __m512i, _ b: __m512i) -> __m512i { _mm512_or_si512(a, b) }
    @inline(__always) static func emptyNibbleSum() -> __m512i { _mm512_setzero_si512() }
    @inline(__always) static func add(_ sum: __m512i, _ w: __m512i, times a: Int32) -> __m512i {
        _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(a))
    }
    @inline(__always) static func floats(_ sum: __m512i, scaledBy scales: __m512) -> __m512 {
        _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scales)
    }

    // The instruction multiplies unsigned by signed bytes: the sum starts at −128 · Σ a and takes q as it is.
    @inline(__always) static func loadCodes(_ p: UnsafeRawPointer) -> __m512i { _mm512_loadu_si512(p) }
    @inline(__always) static func emptyCodeSum(correction: Int32) -> CodeSum {
        CodeSum(_mm512_set1_epi32(correction))
    }
    @inline(__always) static func add(_ sum: CodeSum, _ w: __m512i, times a: Int32, scaledBy scales: __m512)
        -> CodeSum
    {
        CodeSum(_mm512_dpbusd_epi32(sum.lanes, w, _mm512_set1_epi32(a)))
    }
    @inline(__always) static func loadSignedCodes(_ p: UnsafeRawPointer) -> __m512i { _mm512_loadu_si512(p) }
    @inline(__always) static func add(_ sum: CodeSum, _ w: __m512i, timesUnsigned a: Int32) -> CodeSum {
        CodeSum(_mm512_dpbusd_epi32(sum.lanes, _mm512_set1_epi32(a), w))
    }
    @inline(__always) static func floats(_ sum: CodeSum, scaledBy scales: __m512) -> __m512 {
        _mm512_mul_ps(_mm512_cvtepi32_ps(sum.lanes), scales)
    }
    @inline(__always) static func loadByteScales(_ p: UnsafeRawPointer) -> __m512 { loadUnsignedBytes(p) }
    @inline(__always) static func unitByteScales() -> __m512 { _mm512_set1_ps(1) }
}

// MARK: - The kernels, each inlined into one function

/// The kernels of this instruction set.
package var avx512Kernels: KernelTable {
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
private typealias Wide = Eight<AVX512>

private func multiplyFloat32(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(FloatTile<Float32Columns<AVX512>>.self, Wide.self, p, first, end)
}
private func multiplyFloat16(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(FloatTile<Float16Columns<AVX512>>.self, Wide.self, p, first, end)
}
private func multiplyInt8(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(Int8Tile<AVX512>.self, Wide.self, p, first, end)
}
private func multiplyInt5(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<FiveBits<AVX512>>.self, Wide.self, p, first, end)
}
private func multiplyInt4(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<FourBits<AVX512>>.self, Wide.self, p, first, end)
}
private func multiplyInt3(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<ThreeBits<AVX512>>.self, Wide.self, p, first, end)
}
private func multiplyKeys(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(KeyTile<AVX512>.self, Wide.self, p, first, end)
}
private func multiplyValues(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(ValueTile<AVX512>.self, Wide.self, p, first, end)
}

private func quantize(_ x: Input, _ groups: UnsafeMutablePointer<QuantizedGroup>, _ count: Int) {
    KernelCore.quantize(AVX512.self, x, groups, count)
}
private func quantizeScores(_ w: ScaledScores) { KernelCore.quantizeScores(AVX512.self, w) }
private func normalize(_ x: Input, _ weight: Input, _ output: Output, _ count: Int, _ epsilon: Float) {
    KernelCore.normalize(AVX512.self, x, weight, output, count, epsilon)
}
private func dot(_ a: Input, _ b: Input, _ count: Int) -> Float {
    KernelCore.dot(AVX512.self, a, b, count)
}
private func add(_ y: Input, _ x: Output, _ count: Int) {
    KernelCore.add(AVX512.self, y, x, count)
}
private func addScaled(_ y: Input, _ factor: Float, _ x: Output, _ count: Int) {
    KernelCore.addScaled(AVX512.self, y, factor, x, count)
}
private func scale(_ x: Input, _ factor: Float, _ output: Output, _ count: Int) {
    KernelCore.scale(AVX512.self, x, factor, output, count)
}
private func gateSilu(_ gate: Input, _ up: Input, _ output: Output, _ count: Int) {
    KernelCore.gateSilu(AVX512.self, gate, up, output, count)
}
private func gateGeluTanh(_ gate: Input, _ up: Input, _ output: Output, _ count: Int) {
    KernelCore.gateGeluTanh(AVX512.self, gate, up, output, count)
}
private func rotate(_ x: Output, _ cosines: Input, _ sines: Input, _ half: Int, _ heads: Int, _ headSize: Int)
{
    KernelCore.rotate(AVX512.self, x, cosines, sines, half, heads, headSize)
}
private func largest(_ x: Input, _ count: Int) -> Float {
    KernelCore.largest(AVX512.self, x, count)
}
private func sumExponentials(_ x: Input, _ offset: Float, _ count: Int) -> Float {
    KernelCore.sumExponentials(AVX512.self, x, offset, count)
}
private func storeHalves(_ x: Input, _ output: UnsafeMutableRawPointer, _ count: Int) {
    KernelCore.storeHalves(AVX512.self, x, output, count)
}
private func addKeyBias(_ scores: KeyBiasScores) { KernelCore.addKeyBias(AVX512.self, scores) }
private func softcap(_ x: Output, _ cap: Float, _ count: Int) {
    KernelCore.softcap(AVX512.self, x, cap, count)
}
private func softmax(_ rows: ScoreRows) { KernelCore.softmax(AVX512.self, rows) }
private func mergeSoftmax(
    _ part: Input, _ new: UnsafePointer<SoftmaxState>, _ total: Output, _ state: State, _ count: Int
) {
    KernelCore.mergeSoftmax(AVX512.self, part, new, total, state, count)
}

#endif
