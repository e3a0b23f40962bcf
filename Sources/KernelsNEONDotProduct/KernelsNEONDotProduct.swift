// SPDX-License-Identifier: Apache-2.0
// 64-bit ARM with SDOT (FEAT_DotProd, most processors since 2018): each of its four lanes adds four products of bytes,
// which is the layout of a tile. All but the integer products is what older processors run.
// No arrays, closures or strings: see KernelCore.swift.

#if arch(arm64)

import CIntrinsics
import KernelCore
import KernelsNEON

private enum DotProduct: NEON {
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

/// The kernels of this instruction set.
package var neonDotProductKernels: KernelTable {
    neonKernels.replacing(
        multiplyInt8: multiplyInt8, multiplyInt5: multiplyInt5, multiplyInt4: multiplyInt4,
        multiplyInt3: multiplyInt3,
        multiplyKeys: multiplyKeys,
        multiplyValues: multiplyValues)
}

private typealias Wide = Four<DotProduct>

private func multiplyInt8(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(Int8Tile<DotProduct>.self, Wide.self, p, first, end)
}
private func multiplyInt5(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<FiveBits<DotProduct>>.self, Wide.self, p, first, end)
}
private func multiplyInt4(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<FourBits<DotProduct>>.self, Wide.self, p, first, end)
}
private func multiplyInt3(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<ThreeBits<DotProduct>>.self, Wide.self, p, first, end)
}
private func multiplyKeys(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(KeyTile<DotProduct>.self, Wide.self, p, first, end)
}
private func multiplyValues(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(ValueTile<DotProduct>.self, Wide.self, p, first, end)
}

#endif
