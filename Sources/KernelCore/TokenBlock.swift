// SPDX-License-Identifier: Apache-2.0
// Register blocking: the sums of one token, and combinations for 2, 3, 4 or 8 tokens that share every loaded weight.
// The terms and the order of one token's sums do not depend on the size of the block, so a prompt evaluated in
// one batch gives bit for bit the same result as token by token.

/// Sums of `tokenCount` tokens × 16 rows, kept in registers.
///
/// Inputs begin at the block's first token; `stride` is the distance from one token to the next.
public protocol TokenBlock {
    associatedtype ISA: TileLanes
    static var tokenCount: Int { get }
    init()

    /// sum[t] += w · x[t · stride]
    mutating func add(_ w: ISA.Floats, times x: UnsafePointer<Float>, stride: Int)

    /// Begins a group of 32 columns of 8-bit weights: begin, eight times add, end.
    mutating func beginCodes(_ x: UnsafePointer<QuantizedGroup>, stride: Int)
    /// Adds the columns 4j … 4j + 3 of the group.
    mutating func add(
        _ w: ISA.Codes, times x: UnsafePointer<QuantizedGroup>, stride: Int, _ j: Int,
        scaledBy scales: ISA.ByteScales)
    /// The same for signed codes and non-negative inputs.
    mutating func add(
        _ w: ISA.SignedCodes, timesUnsigned x: UnsafePointer<QuantizedGroup>, stride: Int, _ j: Int)
    /// sum[t] += scale · (integer sum) · x's scale
    mutating func endCodes(
        scaledBy scales: ISA.ByteScales, _ x: UnsafePointer<QuantizedGroup>, stride: Int)
    /// The same with scales that are not bytes; the sum was built with scales of 1.
    mutating func endCodes(scale: ISA.Floats, _ x: UnsafePointer<QuantizedGroup>, stride: Int)

    /// Begins columns of low-bit codes: begin, add up to eight times, end; 16-bit sums hold eight products of codes up to 15.
    mutating func beginNibbles()
    mutating func add(_ w: ISA.LowBitCodes, times x: UnsafePointer<QuantizedGroup>, stride: Int, _ j: Int)
    /// sum[t] += scale · (integer sum) · x's scale
    mutating func endLowBits(
        scaledBy scales: ISA.ByteScales, _ x: UnsafePointer<QuantizedGroup>, stride: Int)
    /// minimumSum[t] += minimum · x's scaled sum
    mutating func addMinimum(_ minimum: ISA.Floats, _ x: UnsafePointer<QuantizedGroup>, stride: Int)

    /// sum[t] *= rowScale
    mutating func scale(by rowScale: ISA.Floats)
    /// sum[t] −= rowMinimum · minimumSum[t]
    mutating func subtractMinimum(times rowMinimum: ISA.Floats)
    /// output[t · stride + lane] = sum[t][lane] for the first `rowCount` lanes.
    func store(to output: UnsafeMutablePointer<Float>, stride: Int, rowCount: Int)
}

/// The sums of one token.
public struct One<ISA: TileLanes>: TokenBlock {
    public var sum: ISA.Floats
    public var minimumSum: ISA.Floats
    public var codeSum: ISA.CodeSum
    public var nibbleSum: ISA.LowBitSum

    @inlinable @inline(__always) public static var tokenCount: Int { 1 }

    @inlinable @inline(__always) public init() {
        sum = ISA.broadcast(0)
        minimumSum = ISA.broadcast(0)
        codeSum = ISA.emptyCodeSum(correction: 0)
        nibbleSum = ISA.emptyNibbleSum()
    }

    @inlinable @inline(__always)
    public mutating func add(_ w: ISA.Floats, times x: UnsafePointer<Float>, stride: Int) {
        sum = ISA.multiplyAdd(w, ISA.broadcast(x.pointee), sum)
    }

    @inlinable @inline(__always)
    public mutating func beginCodes(_ x: UnsafePointer<QuantizedGroup>, stride: Int) {
        codeSum = ISA.emptyCodeSum(correction: x.pointee.correction)
    }

    @inlinable @inline(__always)
    public mutating func add(
        _ w: ISA.Codes, times x: UnsafePointer<QuantizedGroup>, stride: Int, _ j: Int,
        scaledBy scales: ISA.ByteScales
    ) {
        let a = UnsafeRawPointer(x).load(fromByteOffset: j &* 4, as: Int32.self)
        codeSum = ISA.add(codeSum, w, times: a, scaledBy: scales)
    }

    @inlinable @inline(__always)
    public mutating func add(
        _ w: ISA.SignedCodes, timesUnsigned x: UnsafePointer<QuantizedGroup>, stride: Int, _ j: Int
    ) {
        let a = UnsafeRawPointer(x).load(fromByteOffset: j &* 4, as: Int32.self)
        codeSum = ISA.add(codeSum, w, timesUnsigned: a)
    }

    @inlinable @inline(__always)
    public mutating func endCodes(
        scaledBy scales: ISA.ByteScales, _ x: UnsafePointer<QuantizedGroup>, stride: Int
    ) {
        sum = ISA.multiplyAdd(
            ISA.floats(codeSum, scaledBy: scales), ISA.broadcast(x.pointee.scale), sum)
    }

    @inlinable @inline(__always)
    public mutating func endCodes(scale: ISA.Floats, _ x: UnsafePointer<QuantizedGroup>, stride: Int) {
        let product = ISA.multiply(ISA.floats(codeSum, scaledBy: ISA.unitByteScales()), scale)
        sum = ISA.multiplyAdd(product, ISA.broadcast(x.pointee.scale), sum)
    }

    @inlinable @inline(__always) public mutating func beginNibbles() { nibbleSum = ISA.emptyNibbleSum() }

    @inlinable @inline(__always)
    public mutating func add(
        _ w: ISA.LowBitCodes, times x: UnsafePointer<QuantizedGroup>, stride: Int, _ j: Int
    ) {
        let a = UnsafeRawPointer(x).load(fromByteOffset: j &* 4, as: Int32.self)
        nibbleSum = ISA.add(nibbleSum, w, times: a)
    }

    @inlinable @inline(__always)
    public mutating func endLowBits(
        scaledBy scales: ISA.ByteScales, _ x: UnsafePointer<QuantizedGroup>, stride: Int
    ) {
        sum = ISA.multiplyAdd(
            ISA.floats(nibbleSum, scaledBy: scales), ISA.broadcast(x.pointee.scale), sum)
    }

    @inlinable @inline(__always)
    public mutating func addMinimum(
        _ minimum: ISA.Floats, _ x: UnsafePointer<QuantizedGroup>, stride: Int
    ) {
        minimumSum = ISA.multiplyAdd(minimum, ISA.broadcast(x.pointee.scaledSum), minimumSum)
    }

    @inlinable @inline(__always)
    public mutating func scale(by rowScale: ISA.Floats) { sum = ISA.multiply(sum, rowScale) }

    @inlinable @inline(__always)
    public mutating func subtractMinimum(times rowMinimum: ISA.Floats) {
        sum = ISA.subtractProduct(rowMinimum, minimumSum, from: sum)
    }

    @inlinable @inline(__always)
    public func store(to output: UnsafeMutablePointer<Float>, stride: Int, rowCount: Int) {
        if rowCount == laneCount {
            ISA.store(sum, to: output)
        } else {
            ISA.store(sum, to: output, count: rowCount)
        }
    }
}

/// The sums of the tokens of two blocks; the first block's tokens come first.
public struct Both<First: TokenBlock, Second: TokenBlock>: TokenBlock where Second.ISA == First.ISA {
    public typealias ISA = First.ISA
    public var first: First
    public var second: Second

    @inlinable @inline(__always) public static var tokenCount: Int { First.tokenCount &+ Second.tokenCount }

    @inlinable @inline(__always) public init() {
        first = First()
        second = Second()
    }

    @inlinable @inline(__always)
    public mutating func add(_ w: ISA.Floats, times x: UnsafePointer<Float>, stride: Int) {
        first.add(w, times: x, stride: stride)
        second.add(w, times: x + First.tokenCount &* stride, stride: stride)
    }

    @inlinable @inline(__always)
    public mutating func beginCodes(_ x: UnsafePointer<QuantizedGroup>, stride: Int) {
        first.beginCodes(x, stride: stride)
        second.beginCodes(x + First.tokenCount &* stride, stride: stride)
    }

    @inlinable @inline(__always)
    public mutating func add(
        _ w: ISA.Codes, times x: UnsafePointer<QuantizedGroup>, stride: Int, _ j: Int,
        scaledBy scales: ISA.ByteScales
    ) {
        first.add(w, times: x, stride: stride, j, scaledBy: scales)
        second.add(w, times: x + First.tokenCount &* stride, stride: stride, j, scaledBy: scales)
    }

    @inlinable @inline(__always)
    public mutating func add(
        _ w: ISA.SignedCodes, timesUnsigned x: UnsafePointer<QuantizedGroup>, stride: Int, _ j: Int
    ) {
        first.add(w, timesUnsigned: x, stride: stride, j)
        second.add(w, timesUnsigned: x + First.tokenCount &* stride, stride: stride, j)
    }

    @inlinable @inline(__always)
    public mutating func endCodes(
        scaledBy scales: ISA.ByteScales, _ x: UnsafePointer<QuantizedGroup>, stride: Int
    ) {
        first.endCodes(scaledBy: scales, x, stride: stride)
        second.endCodes(scaledBy: scales, x + First.tokenCount &* stride, stride: stride)
    }

    @inlinable @inline(__always)
    public mutating func endCodes(scale: ISA.Floats, _ x: UnsafePointer<QuantizedGroup>, stride: Int) {
        first.endCodes(scale: scale, x, stride: stride)
        second.endCodes(scale: scale, x + First.tokenCount &* stride, stride: stride)
    }

    @inlinable @inline(__always) public mutating func beginNibbles() {
        first.beginNibbles()
        second.beginNibbles()
    }

    @inlinable @inline(__always)
    public mutating func add(
        _ w: ISA.LowBitCodes, times x: UnsafePointer<QuantizedGroup>, stride: Int, _ j: Int
    ) {
        first.add(w, times: x, stride: stride, j)
        second.add(w, times: x + First.tokenCount &* stride, stride: stride, j)
    }

    @inlinable @inline(__always)
    public mutating func endLowBits(
        scaledBy scales: ISA.ByteScales, _ x: UnsafePointer<QuantizedGroup>, stride: Int
    ) {
        first.endLowBits(scaledBy: scales, x, stride: stride)
        second.endLowBits(scaledBy: scales, x + First.tokenCount &* stride, stride: stride)
    }

    @inlinable @inline(__always)
    public mutating func addMinimum(
        _ minimum: ISA.Floats, _ x: UnsafePointer<QuantizedGroup>, stride: Int
    ) {
        first.addMinimum(minimum, x, stride: stride)
        second.addMinimum(minimum, x + First.tokenCount &* stride, stride: stride)
    }

    @inlinable @inline(__always)
    public mutating func scale(by rowScale: ISA.Floats) {
        first.scale(by: rowScale)
        second.scale(by: rowScale)
    }

    @inlinable @inline(__always)
    public mutating func subtractMinimum(times rowMinimum: ISA.Floats) {
        first.subtractMinimum(times: rowMinimum)
        second.subtractMinimum(times: rowMinimum)
    }

    @inlinable @inline(__always)
    public func store(to output: UnsafeMutablePointer<Float>, stride: Int, rowCount: Int) {
        first.store(to: output, stride: stride, rowCount: rowCount)
        second.store(to: output + First.tokenCount &* stride, stride: stride, rowCount: rowCount)
    }
}

public typealias Twice<Half: TokenBlock> = Both<Half, Half>
public typealias Two<ISA: TileLanes> = Twice<One<ISA>>
public typealias Three<ISA: TileLanes> = Both<Two<ISA>, One<ISA>>
public typealias Four<ISA: TileLanes> = Twice<Two<ISA>>
public typealias Eight<ISA: TileLanes> = Twice<Four<ISA>>
