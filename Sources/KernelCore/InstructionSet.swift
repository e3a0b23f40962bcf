// SPDX-License-Identifier: Apache-2.0
// The operations that a CPU family provides: sixteen SIMD lanes of Float, and exact integer products of four bytes per lane.

/// The operations of tile products, for the sixteen rows of a tile, or for half of them: on some CPUs only half a tile of many
/// tokens fits the registers.
///
/// Operations on `Floats` work lane by lane and are correctly rounded; `multiplyAdd` and `subtractProduct` round once (fused).
/// Integer products are exact. Addresses always refer to sixteen rows.
public protocol TileLanes {
    /// One Float per row.
    associatedtype Floats
    /// Unsigned low-bit weights: for each row, four consecutive columns.
    associatedtype LowBitCodes
    /// Running sum of products of low-bit weights for each row, over at most one group of 32 columns.
    associatedtype LowBitSum
    /// 8-bit weights q − 128: for each row, four consecutive columns.
    associatedtype Codes
    /// Signed bytes: for each row, four consecutive columns.
    associatedtype SignedCodes
    /// Running sum of products of 8-bit weights for each row, over at most one group of 32 columns.
    associatedtype CodeSum
    /// Unsigned 8-bit scales of a group, one per row. Scaled sums of integers stay below 2³¹. The result is therefore the exact
    /// product, rounded once, whether integers or Floats are scaled.
    associatedtype ByteScales

    // Moving
    /// Prefetches the cache line of an address, which need not be valid; may do nothing.
    static func prefetch(_ p: UnsafeRawPointer)
    /// The same for a line that will be needed later: it goes to the second-level cache.
    static func prefetchLater(_ p: UnsafeRawPointer)
    static func broadcast(_ x: Float) -> Floats
    static func store(_ x: Floats, to p: UnsafeMutablePointer<Float>)
    /// Writes the rows below `count` (0...16) and no byte beyond them.
    static func store(_ x: Floats, to p: UnsafeMutablePointer<Float>, count: Int)
    /// IEEE binary16 values.
    static func loadHalves(_ p: UnsafeRawPointer) -> Floats
    /// bfloat16 values, upper halves of Float32.
    static func loadBrainFloats(_ p: UnsafeRawPointer) -> Floats
    /// Unsigned bytes as Float.
    static func loadUnsignedBytes(_ p: UnsafeRawPointer) -> Floats

    // Arithmetic
    static func multiply(_ a: Floats, _ b: Floats) -> Floats
    /// a · b + c, rounded once
    static func multiplyAdd(_ a: Floats, _ b: Floats, _ c: Floats) -> Floats
    /// c − a · b, rounded once
    static func subtractProduct(_ a: Floats, _ b: Floats, from c: Floats) -> Floats

    // Integer products
    /// The trip count of a loop; opaque to the compiler if unrolling the loop would lose the order of its operations.
    static func tripCount(_ count: Int) -> Int
    /// From 64 bytes: the low nibbles of each byte, and the high ones.
    static func loadNibbles(_ p: UnsafeRawPointer) -> (low: LowBitCodes, high: LowBitCodes)
    /// From 64 bytes: the bits of each from `first` on that `mask` selects, shifted to bit `place`; results are less than 32.
    static func loadFields(_ p: UnsafeRawPointer, first: Int, mask: UInt8, place: Int) -> LowBitCodes
    /// Combines two values whose fields occupy different bits.
    static func join(_ a: LowBitCodes, _ b: LowBitCodes) -> LowBitCodes
    static func emptyNibbleSum() -> LowBitSum
    /// sum[lane] + Σ w[lane][i] · a[i] over the four signed bytes (−127…127) of `a`.
    static func add(_ sum: LowBitSum, _ w: LowBitCodes, times a: Int32) -> LowBitSum
    /// sum · scale
    static func floats(_ sum: LowBitSum, scaledBy scales: ByteScales) -> Floats
    /// From 64 bytes q: the weights q − 128.
    static func loadCodes(_ p: UnsafeRawPointer) -> Codes
    /// - correction: −128 · Σ a over all columns that this sum will cover, for instruction sets that
    ///   multiply by q itself.
    static func emptyCodeSum(correction: Int32) -> CodeSum
    /// sum[lane] + Σ w[lane][i] · a[i] over the four signed bytes (−127…127) of `a`; instruction sets may multiply by the
    /// scales here or in `floats`.
    static func add(_ sum: CodeSum, _ w: Codes, times a: Int32, scaledBy scales: ByteScales) -> CodeSum
    /// 64 signed bytes, unchanged, each in −127…127.
    static func loadSignedCodes(_ p: UnsafeRawPointer) -> SignedCodes
    /// sum[lane] + Σ w[lane][i] · a[i] over the four bytes (0…127) of `a`.
    static func add(_ sum: CodeSum, _ w: SignedCodes, timesUnsigned a: Int32) -> CodeSum
    /// sum · scale, for a sum that was built with the same scales.
    static func floats(_ sum: CodeSum, scaledBy scales: ByteScales) -> Floats
    static func loadByteScales(_ p: UnsafeRawPointer) -> ByteScales
    /// Scales of 1.
    static func unitByteScales() -> ByteScales
}

/// One CPU family's vector operations.
///
/// A conformance contains only intrinsics. Every instruction set computes the same bits.
public protocol InstructionSet: TileLanes {
    /// The number of `Floats` values that fit the registers.
    static var registerCount: Int { get }

    // Moving
    static func load(_ p: UnsafePointer<Float>) -> Floats
    /// The first `count` (0...16) lanes from memory, the others from `fill`; reads no byte beyond them.
    static func load(_ p: UnsafePointer<Float>, count: Int, fill: Floats) -> Floats
    /// Rounds to the nearest binary16, ties to even.
    static func storeHalves(_ x: Floats, to p: UnsafeMutableRawPointer)
    /// Writes the lowest byte of each lane's bit pattern.
    static func storeLowBytes(_ x: Floats, to p: UnsafeMutableRawPointer)
    /// Lane 0.
    static func first(_ x: Floats) -> Float

    // Arithmetic
    static func add(_ a: Floats, _ b: Floats) -> Floats
    static func subtract(_ a: Floats, _ b: Floats) -> Floats
    static func divide(_ a: Floats, _ b: Floats) -> Floats
    static func minimum(_ a: Floats, _ b: Floats) -> Floats
    static func maximum(_ a: Floats, _ b: Floats) -> Floats
    static func magnitude(_ a: Floats) -> Floats
    /// x, but 0 in the lanes where y is below `limit`.
    static func zero(_ x: Floats, where y: Floats, isBelow limit: Floats) -> Floats
    /// x · 2ⁿ for the integer n in the lowest bits of the bit pattern of `biased`; the result must be a normal number.
    static func scale(_ x: Floats, byPowerOfTwoIn biased: Floats) -> Floats
    /// The sum of all lanes, halves first: lane i + lane i + 8, then + 4, + 2, + 1.
    static func sum(_ x: Floats) -> Float
    /// The largest lane.
    static func largest(_ x: Floats) -> Float
}

extension TileLanes {
    @inlinable @inline(__always) public static func prefetchLater(_ p: UnsafeRawPointer) {}
    @inlinable @inline(__always) public static func tripCount(_ count: Int) -> Int { count }
}

extension InstructionSet {
    /// The most common number: sixteen registers of 256 bits, or 32 of 128.
    @inlinable @inline(__always) public static var registerCount: Int { 8 }
}
