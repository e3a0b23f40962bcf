// SPDX-License-Identifier: Apache-2.0
// Activations as the integer kernels read them: one record for each group of 32 columns, so that a token's codes, scale
// and sums are reached through one pointer.

/// 32 activations as 8-bit codes: x[c] ≈ scale · codes[c].
public struct QuantizedGroup: BitwiseCopyable, Sendable {
    /// 32 × Int8, each in −127…127, in the order of the columns.
    public var codes: (Int64, Int64, Int64, Int64)
    /// max |x| / 127.
    public var scale: Float
    /// scale · Σ codes: what a constant offset of the weights is multiplied by.
    public var scaledSum: Float
    /// −128 · Σ codes: turns a product with unsigned codes q into one with q − 128.
    public var correction: Int32
    /// Keeps the codes of all records on a 16-byte boundary.
    public var unused: Int32

    /// A group of zeros.
    @inlinable @inline(__always) public init() {
        codes = (0, 0, 0, 0)
        scale = 0
        scaledSum = 0
        correction = 0
        unused = 0
    }
}

/// Adding and subtracting 1.5 · 2²³ rounds to the nearest integer (ties to even), which then lies in the lowest bits.
@inlinable public var roundingBias: Float { @inline(__always) get { 0x1.8p23 } }

/// groups[g] = x[32g …< 32g + 32] with scale = max|x| · (1 / 127) and codes = round(x · (127 / max|x|)).
///
/// - x: [32 · groupCount]
/// - groups: [groupCount], must not alias x.
@inlinable @inline(__always)
public func quantize<Set: InstructionSet>(
    _: Set.Type, _ x: UnsafePointer<Float>, _ groups: UnsafeMutablePointer<QuantizedGroup>, _ groupCount: Int
) {
    let bias = Set.broadcast(roundingBias)
    var x = x
    var group = groups
    let end = groups + groupCount
    while group < end {
        let low = Set.load(x), high = Set.load(x + 16)
        let largest = Set.largest(Set.maximum(Set.magnitude(low), Set.magnitude(high)))
        // Below this 127 / largest would overflow; such activations contribute nothing.
        let inverse = Set.broadcast(largest < 0x1p-110 ? 0 : 127 / largest)
        // No fused operation here: the codes must be the same on every instruction set.
        let lowCodes = Set.add(Set.multiply(low, inverse), bias)
        let highCodes = Set.add(Set.multiply(high, inverse), bias)
        let raw = UnsafeMutableRawPointer(group)
        Set.storeLowBytes(lowCodes, to: raw)
        Set.storeLowBytes(highCodes, to: raw + 16)
        // Small integers: exact in Float, in any order.
        let sum = Set.sum(Set.add(Set.subtract(lowCodes, bias), Set.subtract(highCodes, bias)))
        // A second division would take as long as everything else.
        let scale = largest * (1 / 127)
        group.pointee.scale = scale
        group.pointee.scaledSum = scale * sum
        // Not a conversion: a NaN among the activations must give a wrong number, not a trap.
        let integer = Int32(bitPattern: (sum + roundingBias).bitPattern &- roundingBias.bitPattern)
        group.pointee.correction = -128 &* integer
        x += 32
        group += 1
    }
}
