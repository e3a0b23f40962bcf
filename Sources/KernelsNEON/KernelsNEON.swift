// SPDX-License-Identifier: Apache-2.0
// Any 64-bit ARM processor: integer products by widening multiplications.
// No arrays, closures or strings: see KernelCore.swift.

#if arch(arm64)

import CIntrinsics
import KernelCore

private enum Plain: NEON {
    /// 16-bit sums, four for each row: at most 8 · 31 · 127 = 31496 < 2¹⁵.
    struct LowBitSum {
        var a: Four16
        var b: Four16
        var c: Four16
        var d: Four16
        @inline(__always) init(_ a: Four16, _ b: Four16, _ c: Four16, _ d: Four16) {
            self.a = a
            self.b = b
            self.c = c
            self.d = d
        }
    }
    /// The sums of four rows.
    struct Four16 {
        var low: int16x8_t
        var high: int16x8_t
        @inline(__always) init(_ low: int16x8_t, _ high: int16x8_t) {
            self.low = low
            self.high = high
        }
    }

    struct CodeSum {
        var lanes: Integers16
        @inline(__always) init(_ lanes: Integers16) { self.lanes = lanes }
    }

    @inline(__always) static func emptyNibbleSum() -> LowBitSum {
        let zero = Four16(vdupq_n_s16(0), vdupq_n_s16(0))
        return LowBitSum(zero, zero, zero, zero)
    }
    @inline(__always) static func add(_ sum: LowBitSum, _ w: Bytes64, times a: Int32) -> LowBitSum {
        let a = activations(a)
        return LowBitSum(
            add(sum.a, w.a, a), add(sum.b, w.b, a), add(sum.c, w.c, a), add(sum.d, w.d, a))
    }
    @inline(__always) private static func add(_ sum: Four16, _ w: int8x16_t, _ a: int8x16_t) -> Four16 {
        Four16(vmlal_s8(sum.low, vget_low_s8(w), vget_low_s8(a)), vmlal_high_s8(sum.high, w, a))
    }
    @inline(__always) static func floats(_ sum: LowBitSum, scaledBy scales: Floats16) -> Floats16 {
        floats(Integers16(total(sum.a), total(sum.b), total(sum.c), total(sum.d)), scaledBy: scales)
    }
    @inline(__always) private static func total(_ sum: Four16) -> int32x4_t {
        vpaddq_s32(vpaddlq_s16(sum.low), vpaddlq_s16(sum.high))
    }

    @inline(__always) static func emptyCodeSum(correction: Int32) -> CodeSum {
        let zero = vdupq_n_s32(0)
        return CodeSum(Integers16(zero, zero, zero, zero))
    }
    @inline(__always) static func add(_ sum: CodeSum, _ w: Bytes64, times a: Int32) -> CodeSum {
        let sum = sum.lanes, a = activations(a)
        return CodeSum(
            Integers16(
                add(sum.a, w.a, a), add(sum.b, w.b, a), add(sum.c, w.c, a), add(sum.d, w.d, a)))
    }
    @inline(__always) private static func add(_ sum: int32x4_t, _ w: int8x16_t, _ a: int8x16_t)
        -> int32x4_t
    {
        // Sums of two products are at most 2 · 128 · 127 = 32512 < 2¹⁵.
        vpadalq_s16(
            sum, vpaddq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(a)), vmull_high_s8(w, a)))
    }
    @inline(__always) static func floats(_ sum: CodeSum, scaledBy scales: Floats16) -> Floats16 {
        floats(sum.lanes, scaledBy: scales)
    }
}

// MARK: - The kernels, each inlined into one function

/// The kernels of this instruction set.
package var neonKernels: KernelTable {
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
/// As many tokens as the registers hold: 32, of which a token's 16-bit sums of nibbles take eight, and others four.
private typealias Wide = Four<Plain>

private func multiplyFloat32(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(FloatTile<Float32Columns<Plain>>.self, Wide.self, p, first, end)
}
private func multiplyFloat16(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(FloatTile<Float16Columns<Plain>>.self, Wide.self, p, first, end)
}
private func multiplyInt8(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(Int8Tile<Plain>.self, Wide.self, p, first, end)
}
private func multiplyInt5(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<FiveBits<Plain>>.self, Two<Plain>.self, p, first, end)
}
private func multiplyInt4(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<FourBits<Plain>>.self, Two<Plain>.self, p, first, end)
}
private func multiplyInt3(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<ThreeBits<Plain>>.self, Two<Plain>.self, p, first, end)
}
private func multiplyKeys(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(KeyTile<Plain>.self, Wide.self, p, first, end)
}
private func multiplyValues(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(ValueTile<Plain>.self, Wide.self, p, first, end)
}

private func quantize(_ x: Input, _ groups: UnsafeMutablePointer<QuantizedGroup>, _ count: Int) {
    KernelCore.quantize(Plain.self, x, groups, count)
}
private func quantizeScores(_ w: ScaledScores) { KernelCore.quantizeScores(Plain.self, w) }
private func normalize(_ x: Input, _ weight: Input, _ output: Output, _ count: Int, _ epsilon: Float) {
    KernelCore.normalize(Plain.self, x, weight, output, count, epsilon)
}
private func dot(_ a: Input, _ b: Input, _ count: Int) -> Float {
    KernelCore.dot(Plain.self, a, b, count)
}
private func add(_ y: Input, _ x: Output, _ count: Int) {
    KernelCore.add(Plain.self, y, x, count)
}
private func addScaled(_ y: Input, _ factor: Float, _ x: Output, _ count: Int) {
    KernelCore.addScaled(Plain.self, y, factor, x, count)
}
private func scale(_ x: Input, _ factor: Float, _ output: Output, _ count: Int) {
    KernelCore.scale(Plain.self, x, factor, output, count)
}
private func gateSilu(_ gate: Input, _ up: Input, _ output: Output, _ count: Int) {
    KernelCore.gateSilu(Plain.self, gate, up, output, count)
}
private func gateGeluTanh(_ gate: Input, _ up: Input, _ output: Output, _ count: Int) {
    KernelCore.gateGeluTanh(Plain.self, gate, up, output, count)
}
private func rotate(
    _ x: Output, _ cosines: Input, _ sines: Input, _ half: Int, _ heads: Int, _ headSize: Int
) {
    KernelCore.rotate(Plain.self, x, cosines, sines, half, heads, headSize)
}
private func largest(_ x: Input, _ count: Int) -> Float {
    KernelCore.largest(Plain.self, x, count)
}
private func sumExponentials(_ x: Input, _ offset: Float, _ count: Int) -> Float {
    KernelCore.sumExponentials(Plain.self, x, offset, count)
}
private func storeHalves(_ x: Input, _ output: UnsafeMutableRawPointer, _ count: Int) {
    KernelCore.storeHalves(Plain.self, x, output, count)
}
private func addKeyBias(_ scores: KeyBiasScores) { KernelCore.addKeyBias(Plain.self, scores) }
private func softcap(_ x: Output, _ cap: Float, _ count: Int) {
    KernelCore.softcap(Plain.self, x, cap, count)
}
private func softmax(_ rows: ScoreRows) { KernelCore.softmax(Plain.self, rows) }
private func mergeSoftmax(
    _ part: Input, _ new: UnsafePointer<SoftmaxState>, _ total: Output, _ state: State, _ count: Int
) {
    KernelCore.mergeSoftmax(Plain.self, part, new, total, state, count)
}

#endif
