// SPDX-License-Identifier: Apache-2.0
// 64-bit ARM with SMMLA (FEAT_I8MM, many processors since 2021): an instruction multiplies two rows by two tokens, eight
// columns each, twice as much as SDOT, which is left for single tokens.
// No arrays, closures or strings: see KernelCore.swift.

#if arch(arm64)

import CIntrinsics
import KernelCore
import KernelsNEON

private enum MatrixProduct: NEON {
    // One type for both sums: each operation below stands for two of the protocol.
    typealias LowBitSum = Integers16
    typealias CodeSum = Integers16

    @inline(__always) static func emptyNibbleSum() -> Integers16 {
        let zero = vdupq_n_s32(0)
        return Integers16(zero, zero, zero, zero)
    }
    @inline(__always) static func emptyCodeSum(correction: Int32) -> Integers16 { emptyNibbleSum() }
    @inline(__always) static func add(_ sum: Integers16, _ w: Bytes64, times a: Int32) -> Integers16 {
        let a = activations(a)
        return Integers16(
            vdotq_s32(sum.a, w.a, a), vdotq_s32(sum.b, w.b, a), vdotq_s32(sum.c, w.c, a),
            vdotq_s32(sum.d, w.d, a))
    }
}

/// The sums of two tokens.
private struct Pair: TokenBlock {
    typealias ISA = MatrixProduct
    /// Sums of two rows × two tokens, row by row.
    struct Products {
        var a: int32x4_t
        var b: int32x4_t
        @inline(__always) init() {
            a = vdupq_n_s32(0)
            b = a
        }
        /// Adds eight columns: four of `first`, four of `second`, for four rows.
        @inline(__always) mutating func add(_ first: int8x16_t, _ second: int8x16_t, _ x: int8x16_t) {
            let first = vreinterpretq_s32_s8(first), second = vreinterpretq_s32_s8(second)
            a = vmmlaq_s32(a, vreinterpretq_s8_s32(vzip1q_s32(first, second)), x)
            b = vmmlaq_s32(b, vreinterpretq_s8_s32(vzip2q_s32(first, second)), x)
        }
        @inline(__always) var first: int32x4_t { vuzp1q_s32(a, b) }
        @inline(__always) var second: int32x4_t { vuzp2q_s32(a, b) }
    }

    var sums = Two<MatrixProduct>()
    var a = Products()
    var b = Products()
    var c = Products()
    var d = Products()
    /// Even quadruples of columns wait for the odd one.
    var waiting: Bytes64

    @inline(__always) static var tokenCount: Int { 2 }
    @inline(__always) init() {
        let zero = vdupq_n_s8(0)
        waiting = Bytes64(zero, zero, zero, zero)
    }
    @inline(__always) mutating func add(_ w: Floats16, times x: UnsafePointer<Float>, stride: Int) {
        sums.add(w, times: x, stride: stride)
    }
    @inline(__always) mutating func beginCodes(_ x: UnsafePointer<QuantizedGroup>, stride: Int) {
        beginNibbles()
    }
    @inline(__always) mutating func beginNibbles() {
        a = Products()
        b = Products()
        c = Products()
        d = Products()
    }
    @inline(__always)
    mutating func add(_ w: Bytes64, times x: UnsafePointer<QuantizedGroup>, stride: Int, _ j: Int) {
        if j & 1 == 0 {
            waiting = w
            return
        }
        let x = tiller_load_two_s8(
            UnsafeRawPointer(x) + 4 &* (j &- 1), UnsafeRawPointer(x + stride) + 4 &* (j &- 1))
        a.add(waiting.a, w.a, x)
        b.add(waiting.b, w.b, x)
        c.add(waiting.c, w.c, x)
        d.add(waiting.d, w.d, x)
    }
    @inline(__always)
    mutating func add(
        _ w: Bytes64, times x: UnsafePointer<QuantizedGroup>, stride: Int, _ j: Int,
        scaledBy scales: Floats16
    ) {
        add(w, times: x, stride: stride, j)
    }
    @inline(__always)
    mutating func add(
        _ w: Bytes64, timesUnsigned x: UnsafePointer<QuantizedGroup>, stride: Int, _ j: Int
    ) {
        add(w, times: x, stride: stride, j)
    }
    @inline(__always) private mutating func endCodes() {
        sums.first.codeSum = Integers16(a.first, b.first, c.first, d.first)
        sums.second.codeSum = Integers16(a.second, b.second, c.second, d.second)
    }
    @inline(__always)
    mutating func endCodes(
        scaledBy scales: Floats16, _ x: UnsafePointer<QuantizedGroup>, stride: Int
    ) {
        endCodes()
        sums.endCodes(scaledBy: scales, x, stride: stride)
    }
    @inline(__always)
    mutating func endCodes(scale: Floats16, _ x: UnsafePointer<QuantizedGroup>, stride: Int) {
        endCodes()
        sums.endCodes(scale: scale, x, stride: stride)
    }
    @inline(__always)
    mutating func endLowBits(
        scaledBy scales: Floats16, _ x: UnsafePointer<QuantizedGroup>, stride: Int
    ) {
        sums.first.nibbleSum = Integers16(a.first, b.first, c.first, d.first)
        sums.second.nibbleSum = Integers16(a.second, b.second, c.second, d.second)
        sums.endLowBits(scaledBy: scales, x, stride: stride)
    }
    @inline(__always)
    mutating func addMinimum(_ minimum: Floats16, _ x: UnsafePointer<QuantizedGroup>, stride: Int) {
        sums.addMinimum(minimum, x, stride: stride)
    }
    @inline(__always) mutating func scale(by rowScale: Floats16) { sums.scale(by: rowScale) }
    @inline(__always) mutating func subtractMinimum(times rowMinimum: Floats16) {
        sums.subtractMinimum(times: rowMinimum)
    }
    @inline(__always) func store(to output: UnsafeMutablePointer<Float>, stride: Int, rowCount: Int) {
        sums.store(to: output, stride: stride, rowCount: rowCount)
    }
}

/// The kernels of this instruction set.
package var neonMatrixProductKernels: KernelTable {
    neonKernels.replacing(
        multiplyInt8: multiplyInt8, multiplyInt5: multiplyInt5, multiplyInt4: multiplyInt4,
        multiplyInt3: multiplyInt3,
        multiplyKeys: multiplyKeys,
        multiplyValues: multiplyValues)
}

private typealias Wide = Twice<Pair>

private func multiplyInt8(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(Int8Tile<MatrixProduct>.self, Wide.self, p, first, end)
}
private func multiplyInt5(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<FiveBits<MatrixProduct>>.self, Wide.self, p, first, end)
}
private func multiplyInt4(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<FourBits<MatrixProduct>>.self, Wide.self, p, first, end)
}
private func multiplyInt3(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<ThreeBits<MatrixProduct>>.self, Wide.self, p, first, end)
}
private func multiplyKeys(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(KeyTile<MatrixProduct>.self, Wide.self, p, first, end)
}
private func multiplyValues(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(ValueTile<MatrixProduct>.self, Wide.self, p, first, end)
}

#endif
