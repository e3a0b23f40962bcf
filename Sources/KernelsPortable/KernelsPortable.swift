// SPDX-License-Identifier: Apache-2.0
// Any CPU: Swift's own SIMD types, from which the compiler makes what the target has. Fused multiply-add is computed
// exactly, so that results equal those of the other instruction sets bit for bit, at the price of some speed.
//
// Swift's conversions between SIMD types run lane by lane through memory, hundreds of times slower; integers become
// Float and bytes become words by shifts, masks and bit patterns instead.

import KernelCore

private enum Portable: InstructionSet {
    typealias Floats = SIMD16<Float>
    typealias Words = SIMD16<UInt32>
    /// 16-bit halves of the sixteen words.
    typealias Halves = SIMD32<Int16>

    /// For each row the columns 0 and 2, and the columns 1 and 3, as 16-bit integers.
    struct Weights {
        var even: Halves
        var odd: Halves
        @inline(__always) init(even: Halves, odd: Halves) {
            self.even = even
            self.odd = odd
        }
    }
    typealias LowBitCodes = Weights
    typealias Codes = Weights
    typealias SignedCodes = Weights
    typealias ByteScales = Floats

    /// 16-bit sums, two for each row: at most 16 · 15 · 127 = 30480 or 8 · 31 · 127 = 31496 < 2¹⁵.
    struct LowBitSum {
        var pairs: Halves
        @inline(__always) init(_ pairs: Halves) { self.pairs = pairs }
    }

    struct CodeSum {
        var lanes: SIMD16<Int32>
        @inline(__always) init(_ lanes: SIMD16<Int32>) { self.lanes = lanes }
    }

    // MARK: - Moving

    @inline(__always) static func prefetch(_ p: UnsafeRawPointer) {}
    @inline(__always) static func broadcast(_ x: Float) -> Floats { Floats(repeating: x) }
    @inline(__always) static func load(_ p: UnsafePointer<Float>) -> Floats {
        UnsafeRawPointer(p).loadUnaligned(as: Floats.self)
    }
    @inline(__always) static func load(_ p: UnsafePointer<Float>, count: Int, fill: Floats) -> Floats {
        if count == 16 { return load(p) }
        var result = fill
        var i = 0
        while i < count {
            result[i] = p[i]
            i &+= 1
        }
        return result
    }
    @inline(__always) static func store(_ x: Floats, to p: UnsafeMutablePointer<Float>) {
        UnsafeMutableRawPointer(p).storeBytes(of: x, as: Floats.self)
    }
    @inline(__always) static func store(_ x: Floats, to p: UnsafeMutablePointer<Float>, count: Int) {
        if count == 16 { return store(x, to: p) }
        var i = 0
        while i < count {
            p[i] = x[i]
            i &+= 1
        }
    }
    @inline(__always) static func loadHalves(_ p: UnsafeRawPointer) -> Floats {
        // The exponent's bias differs by 112; the product also turns binary16 subnormals into normal numbers.
        let h = widen16(p)
        let magnitude = (h & 0x7FFF) &<< 13
        let value = unsafeBitCast(unsafeBitCast(magnitude, to: Floats.self) * 0x1p112, to: Words.self)
        // 0x7F80_0000 where the magnitude reaches 0x0F80_0000: that sum, and no smaller one, carries into bit 28.
        let carry = ((magnitude &+ 0x0080_0000) &>> 28) & 1
        let infinite = (Words(repeating: 0) &- carry) & 0x7F80_0000
        return unsafeBitCast(value | infinite | ((h & 0x8000) &<< 16), to: Floats.self)
    }
    @inline(__always) static func storeHalves(_ x: Floats, to p: UnsafeMutableRawPointer) {
        var i = 0
        while i < 16 {
            p.storeBytes(of: halfBits(x[i]), toByteOffset: i &* 2, as: UInt16.self)
            i &+= 1
        }
    }
    @inline(__always) static func loadBrainFloats(_ p: UnsafeRawPointer) -> Floats {
        unsafeBitCast(widen16(p) &<< 16, to: Floats.self)
    }
    @inline(__always) static func loadUnsignedBytes(_ p: UnsafeRawPointer) -> Floats {
        // The byte in the lowest bits of 2²³ is 2²³ + byte.
        unsafeBitCast(widen8(p) | 0x4B00_0000, to: Floats.self) - 0x1p23
    }
    @inline(__always) static func storeLowBytes(_ x: Floats, to p: UnsafeMutableRawPointer) {
        let words = unsafeBitCast(x, to: Words.self)
        var i = 0
        while i < 16 {
            p.storeBytes(of: UInt8(truncatingIfNeeded: words[i]), toByteOffset: i, as: UInt8.self)
            i &+= 1
        }
    }
    @inline(__always) static func first(_ x: Floats) -> Float { x[0] }

    @inline(__always) private static func byte(_ p: UnsafeRawPointer, _ i: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: p.load(fromByteOffset: i, as: UInt8.self))
    }
    /// Sixteen bytes as words; the compiler makes a few unpacking instructions of this.
    @inline(__always) private static func widen8(_ p: UnsafeRawPointer) -> Words {
        Words(
            byte(p, 0), byte(p, 1), byte(p, 2), byte(p, 3), byte(p, 4), byte(p, 5), byte(p, 6), byte(p, 7),
            byte(p, 8), byte(p, 9), byte(p, 10), byte(p, 11), byte(p, 12), byte(p, 13), byte(p, 14),
            byte(p, 15))
    }
    @inline(__always) private static func half(_ p: UnsafeRawPointer, _ i: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: p.loadUnaligned(fromByteOffset: i &* 2, as: UInt16.self))
    }
    /// Sixteen 16-bit values as words.
    @inline(__always) private static func widen16(_ p: UnsafeRawPointer) -> Words {
        Words(
            half(p, 0), half(p, 1), half(p, 2), half(p, 3), half(p, 4), half(p, 5), half(p, 6), half(p, 7),
            half(p, 8), half(p, 9), half(p, 10), half(p, 11), half(p, 12), half(p, 13), half(p, 14),
            half(p, 15))
    }

    // MARK: - Arithmetic

    @inline(__always) static func add(_ a: Floats, _ b: Floats) -> Floats { a + b }
    @inline(__always) static func subtract(_ a: Floats, _ b: Floats) -> Floats { a - b }
    @inline(__always) static func multiply(_ a: Floats, _ b: Floats) -> Floats { a * b }
    @inline(__always) static func divide(_ a: Floats, _ b: Floats) -> Floats { a / b }
    @inline(__always) static func multiplyAdd(_ a: Floats, _ b: Floats, _ c: Floats) -> Floats {
        Floats(
            lowHalf: fused(a.lowHalf, b.lowHalf, c.lowHalf),
            highHalf: fused(a.highHalf, b.highHalf, c.highHalf))
    }
    @inline(__always) static func subtractProduct(_ a: Floats, _ b: Floats, from c: Floats) -> Floats {
        multiplyAdd(-a, b, c)
    }

    /// a · b + c rounded once, on processors without such an instruction.
    ///
    /// The product of two Floats is exact in Double. Their sum is rounded to odd (Boldo and Melquiond 2008): where it is
    /// not exact and its last bit is even, it moves to the neighbour on the side of the error. Rounding that to
    /// Float is then correct, as rounding the nearest Double again would not be.
    @inline(__always) private static func fused(
        _ a: SIMD8<Float>, _ b: SIMD8<Float>, _ c: SIMD8<Float>
    ) -> SIMD8<Float> {
        let product = widen(a) * widen(b)
        let addend = widen(c)
        let sum = product + addend
        // The exact error of the sum (Knuth's TwoSum).
        let part = sum - product
        let error = (product - (sum - part)) + (addend - part)
        let bits = unsafeBitCast(sum, to: SIMD8<Int64>.self)
        let errorBits = unsafeBitCast(error, to: SIMD8<Int64>.self)
        // All ones where the error is a number other than zero; it is NaN where the sum is infinite.
        let magnitude = errorBits & .max
        let isInexact =
            ((SIMD8(repeating: 0) &- magnitude) &>> 63) & ~((0x7FF0_0000_0000_0000 &- magnitude) &>> 63)
        let isEven = (bits & 1) &- 1
        // +1 away from zero where error and sum have the same sign, else −1.
        let step = ((bits ^ errorBits) &>> 63) | 1
        return narrow(unsafeBitCast(bits &+ (step & isInexact & isEven), to: SIMD8<Double>.self))
    }
    @inline(__always) private static func widen(_ x: SIMD8<Float>) -> SIMD8<Double> {
        SIMD8<Double>(
            Double(x[0]), Double(x[1]), Double(x[2]), Double(x[3]), Double(x[4]), Double(x[5]), Double(x[6]),
            Double(x[7]))
    }
    @inline(__always) private static func narrow(_ x: SIMD8<Double>) -> SIMD8<Float> {
        SIMD8<Float>(
            Float(x[0]), Float(x[1]), Float(x[2]), Float(x[3]), Float(x[4]), Float(x[5]), Float(x[6]),
            Float(x[7]))
    }
    @inline(__always) static func minimum(_ a: Floats, _ b: Floats) -> Floats {
        b.replacing(with: a, where: a .< b)
    }
    @inline(__always) static func maximum(_ a: Floats, _ b: Floats) -> Floats {
        b.replacing(with: a, where: a .> b)
    }
    @inline(__always) static func magnitude(_ a: Floats) -> Floats {
        unsafeBitCast(unsafeBitCast(a, to: Words.self) & 0x7FFF_FFFF, to: Floats.self)
    }
    @inline(__always) static func zero(_ x: Floats, where y: Floats, isBelow limit: Floats) -> Floats {
        x.replacing(with: Floats(repeating: 0), where: y .< limit)
    }
    @inline(__always) static func scale(_ x: Floats, byPowerOfTwoIn biased: Floats) -> Floats {
        let exponent = unsafeBitCast(biased, to: Words.self) &<< 23
        return unsafeBitCast(unsafeBitCast(x, to: Words.self) &+ exponent, to: Floats.self)
    }
    @inline(__always) static func sum(_ x: Floats) -> Float {
        let eight = x.lowHalf + x.highHalf
        let four = eight.lowHalf + eight.highHalf
        let two = four.lowHalf + four.highHalf
        return two.x + two.y
    }
    @inline(__always) static func largest(_ x: Floats) -> Float {
        let eight = x.lowHalf.replacing(with: x.highHalf, where: x.highHalf .> x.lowHalf)
        let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
        let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
        return two.x > two.y ? two.x : two.y
    }

    // MARK: - Integer products

    @inline(__always) static func loadNibbles(_ p: UnsafeRawPointer) -> (low: Weights, high: Weights) {
        let q = p.loadUnaligned(as: Words.self)
        return (
            Weights(even: halves(q & 0x000F_000F), odd: halves((q &>> 8) & 0x000F_000F)),
            Weights(even: halves((q &>> 4) & 0x000F_000F), odd: halves((q &>> 12) & 0x000F_000F))
        )
    }
    @inline(__always) static func loadFields(
        _ p: UnsafeRawPointer, first: Int, mask: UInt8, place: Int
    ) -> Weights {
        let q = p.loadUnaligned(as: Words.self)
        let mask = Words(repeating: UInt32(mask) &* 0x0001_0001)
        let first = UInt32(truncatingIfNeeded: first), place = UInt32(truncatingIfNeeded: place)
        return Weights(
            even: halves(((q &>> first) & mask) &<< place),
            odd: halves(((q &>> (first &+ 8)) & mask) &<< place))
    }
    @inline(__always) static func join(_ a: Weights, _ b: Weights) -> Weights {
        Weights(even: a.even | b.even, odd: a.odd | b.odd)
    }
    @inline(__always) static func emptyNibbleSum() -> LowBitSum { LowBitSum(Halves(repeating: 0)) }
    @inline(__always) static func add(_ sum: LowBitSum, _ w: Weights, times a: Int32) -> LowBitSum {
        let a = signedHalves(Words(repeating: UInt32(bitPattern: a)))
        return LowBitSum(sum.pairs &+ w.even &* a.even &+ w.odd &* a.odd)
    }
    @inline(__always) static func floats(_ sum: LowBitSum, scaledBy scales: Floats) -> Floats {
        floats(CodeSum(total(sum.pairs)), scaledBy: scales)
    }

    @inline(__always) static func loadCodes(_ p: UnsafeRawPointer) -> Weights {
        let q = p.loadUnaligned(as: Words.self)
        return Weights(even: extended(q), odd: extended(q &>> 8))
    }
    @inline(__always) static func emptyCodeSum(correction: Int32) -> CodeSum { CodeSum(SIMD16(repeating: 0)) }
    @inline(__always) static func add(_ sum: CodeSum, _ w: Weights, times a: Int32, scaledBy scales: Floats)
        -> CodeSum
    {
        add(sum, w, times: a)
    }
    @inline(__always) private static func add(_ sum: CodeSum, _ w: Weights, times a: Int32) -> CodeSum {
        let a = signedHalves(Words(repeating: UInt32(bitPattern: a)))
        // At most 2 · 128 · 127 = 32512: one such sum fits 16 bits.
        return CodeSum(sum.lanes &+ total(w.even &* a.even &+ w.odd &* a.odd))
    }
    @inline(__always) static func loadSignedCodes(_ p: UnsafeRawPointer) -> Weights {
        signedHalves(p.loadUnaligned(as: Words.self))
    }
    @inline(__always) static func add(_ sum: CodeSum, _ w: Weights, timesUnsigned a: Int32) -> CodeSum {
        add(sum, w, times: a)
    }
    @inline(__always) static func floats(_ sum: CodeSum, scaledBy scales: Floats) -> Floats {
        // Integers below 2²², added to the bit pattern of 1.5 · 2²³, are added to its value.
        let bias = SIMD16<Int32>(repeating: Int32(bitPattern: roundingBias.bitPattern))
        return (unsafeBitCast(sum.lanes &+ bias, to: Floats.self) - roundingBias) * scales
    }
    @inline(__always) static func loadByteScales(_ p: UnsafeRawPointer) -> Floats { loadUnsignedBytes(p) }
    @inline(__always) static func unitByteScales() -> Floats { Floats(repeating: 1) }

    @inline(__always) private static func halves(_ words: Words) -> Halves {
        unsafeBitCast(words, to: Halves.self)
    }
    /// The signed bytes of each word, bytes 0 and 2 apart from bytes 1 and 3.
    @inline(__always) private static func signedHalves(_ words: Words) -> Weights {
        let shifted = words ^ 0x8080_8080
        return Weights(even: extended(shifted), odd: extended(shifted &>> 8))
    }
    /// Byte − 128 for the bytes 0 and 2 of each word. (Shifts of 32 lanes, which would extend a sign, and operations
    /// between a vector and a scalar run lane by lane through memory.)
    @inline(__always) private static func extended(_ words: Words) -> Halves {
        halves(words & 0x00FF_00FF) &+ Halves(repeating: -128)
    }
    /// The sum of the two halves of each word.
    @inline(__always) private static func total(_ pairs: Halves) -> SIMD16<Int32> {
        let words = unsafeBitCast(pairs, to: SIMD16<Int32>.self)
        return ((words &<< 16) &>> 16) &+ (words &>> 16)
    }
}

// MARK: - The kernels, each inlined into one function

/// The kernels of this instruction set.
package var portableKernels: KernelTable {
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
private typealias Wide = Two<Portable>

private func multiplyFloat32(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(FloatTile<Float32Columns<Portable>>.self, Wide.self, p, first, end)
}
private func multiplyFloat16(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(FloatTile<Float16Columns<Portable>>.self, Wide.self, p, first, end)
}
private func multiplyInt8(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(Int8Tile<Portable>.self, Wide.self, p, first, end)
}
private func multiplyInt5(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<FiveBits<Portable>>.self, Wide.self, p, first, end)
}
private func multiplyInt4(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<FourBits<Portable>>.self, Wide.self, p, first, end)
}
private func multiplyInt3(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(AffineTile<ThreeBits<Portable>>.self, Wide.self, p, first, end)
}
private func multiplyKeys(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(KeyTile<Portable>.self, Wide.self, p, first, end)
}
private func multiplyValues(_ p: TileProduct, _ first: Int, _ end: Int) {
    multiply(ValueTile<Portable>.self, Wide.self, p, first, end)
}

private func quantize(_ x: Input, _ groups: UnsafeMutablePointer<QuantizedGroup>, _ count: Int) {
    KernelCore.quantize(Portable.self, x, groups, count)
}
private func quantizeScores(_ w: ScaledScores) { KernelCore.quantizeScores(Portable.self, w) }
private func normalize(_ x: Input, _ weight: Input, _ output: Output, _ count: Int, _ epsilon: Float) {
    KernelCore.normalize(Portable.self, x, weight, output, count, epsilon)
}
private func dot(_ a: Input, _ b: Input, _ count: Int) -> Float {
    KernelCore.dot(Portable.self, a, b, count)
}
private func add(_ y: Input, _ x: Output, _ count: Int) {
    KernelCore.add(Portable.self, y, x, count)
}
private func addScaled(_ y: Input, _ factor: Float, _ x: Output, _ count: Int) {
    KernelCore.addScaled(Portable.self, y, factor, x, count)
}
private func scale(_ x: Input, _ factor: Float, _ output: Output, _ count: Int) {
    KernelCore.scale(Portable.self, x, factor, output, count)
}
private func gateSilu(_ gate: Input, _ up: Input, _ output: Output, _ count: Int) {
    KernelCore.gateSilu(Portable.self, gate, up, output, count)
}
private func gateGeluTanh(_ gate: Input, _ up: Input, _ output: Output, _ count: Int) {
    KernelCore.gateGeluTanh(Portable.self, gate, up, output, count)
}
private func rotate(_ x: Output, _ cosines: Input, _ sines: Input, _ half: Int, _ heads: Int, _ headSize: Int)
{
    KernelCore.rotate(Portable.self, x, cosines, sines, half, heads, headSize)
}
private func largest(_ x: Input, _ count: Int) -> Float {
    KernelCore.largest(Portable.self, x, count)
}
private func sumExponentials(_ x: Input, _ offset: Float, _ count: Int) -> Float {
    KernelCore.sumExponentials(Portable.self, x, offset, count)
}
private func storeHalves(_ x: Input, _ output: UnsafeMutableRawPointer, _ count: Int) {
    KernelCore.storeHalves(Portable.self, x, output, count)
}
private func addKeyBias(_ scores: KeyBiasScores) { KernelCore.addKeyBias(Portable.self, scores) }
private func softcap(_ x: Output, _ cap: Float, _ count: Int) {
    KernelCore.softcap(Portable.self, x, cap, count)
}
private func softmax(_ rows: ScoreRows) { KernelCore.softmax(Portable.self, rows) }
private func mergeSoftmax(
    _ part: Input, _ new: UnsafePointer<SoftmaxState>, _ total: Output, _ state: State, _ count: Int
) {
    KernelCore.mergeSoftmax(Portable.self, part, new, total, state, count)
}
