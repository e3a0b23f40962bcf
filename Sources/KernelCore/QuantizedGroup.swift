// SPDX-License-Identifier: Apache-2.0
// Activations as the integer kernels read them: one record per group of 32 columns, so that one pointer reaches a token's
// codes, scale and sums.

/// 32 activations as 8-bit codes: x[c] ≈ scale · codes[c].
public struct QuantizedGroup: BitwiseCopyable, Sendable {
    /// 32 × Int8, each in −127…127, in the order of the columns.
    public var codes: (Int64, Int64, Int64, Int64)
    /// max |x| / 127.
    public var scale: Float
    /// scale · Σ codes: the factor of a constant offset of the weights.
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

/// Adding and subtracting 1.5 · 2²³ rounds to the nearest integer (ties to even); the sum holds that integer in its lowest bits.
@inlinable public var roundingBias: Float { @inline(__always) get { 0x1.8p23 } }

/// groups[g] = x[32g …< 32g + 32] with scale = max|x| · (1 / 127) and codes = round(x · (127 / max|x|)).
///
/// - x: [32 · groupCount]
/// - groups: [groupCount], must not alias x.
@inlinable @inline(__always)
public func quantize<ISA: InstructionSet>(
    _: ISA.Type, _ x: UnsafePointer<Float>, _ groups: UnsafeMutablePointer<QuantizedGroup>, _ groupCount: Int
) {
    let bias = ISA.broadcast(roundingBias)
    var x = x
    var group = groups
    let end = groups + groupCount
    while group < end {
        let low = ISA.load(x), high = ISA.load(x + 16)
        let largest = ISA.largest(ISA.maximum(ISA.magnitude(low), ISA.magnitude(high)))
        let inverse = ISA.broadcast(codes(toLargest: largest))
        // Not fused: the codes must be the same on every instruction set.
        let lowCodes = ISA.add(ISA.multiply(low, inverse), bias)
        let highCodes = ISA.add(ISA.multiply(high, inverse), bias)
        let raw = UnsafeMutableRawPointer(group)
        ISA.storeLowBytes(lowCodes, to: raw)
        ISA.storeLowBytes(highCodes, to: raw + 16)
        // These are small integers, so the sum is exact in Float, in any order.
        let sum = ISA.sum(ISA.add(ISA.subtract(lowCodes, bias), ISA.subtract(highCodes, bias)))
        // A second division would take as long as everything else.
        let scale = largest * (1 / 127)
        group.pointee.scale = scale
        group.pointee.scaledSum = scale * sum
        // Not a conversion: a NaN among the activations must give a wrong number, not trap.
        let integer = Int32(bitPattern: (sum + roundingBias).bitPattern &- roundingBias.bitPattern)
        group.pointee.correction = -128 &* integer
        x += 32
        group += 1
    }
}

/// 127 / largest; 0 if that would overflow: such activations contribute nothing.
@inlinable @inline(__always)
func codes(toLargest largest: Float) -> Float { largest < 0x1p-110 ? 0 : 127 / largest }

/// Attention weights of some rows, and the scales of the values that they multiply.
public struct ScaledScores {
    /// [rowCount × scoreStride], none negative.
    public var scores: UnsafePointer<Float>
    public var scoreStride: Int
    public var rowCount: Int
    /// Groups of 32 positions.
    public var groupCount: Int
    /// The scales of the first group: for each 32 channels [32 positions] in binary16.
    public var scales: UnsafeRawPointer
    /// Bytes from one group of positions to the next.
    public var scaleByteStride: Int
    /// Groups of 32 channels.
    public var channelGroupCount: Int
    /// [rowCount × channelGroupCount × groupCount]
    public var output: UnsafeMutablePointer<QuantizedGroup>
    public var ahead: PrefetchCursor

    @inlinable @inline(__always)
    public init(
        scores: UnsafePointer<Float>, scoreStride: Int, rowCount: Int, groupCount: Int,
        scales: UnsafeRawPointer, scaleByteStride: Int, channelGroupCount: Int,
        output: UnsafeMutablePointer<QuantizedGroup>, ahead: PrefetchCursor
    ) {
        self.scores = scores
        self.scoreStride = scoreStride
        self.rowCount = rowCount
        self.groupCount = groupCount
        self.scales = scales
        self.scaleByteStride = scaleByteStride
        self.channelGroupCount = channelGroupCount
        self.output = output
        self.ahead = ahead
    }
}

/// output[r, c, g] = score[r, p] · scale[p, c] for the 32 positions p of a group, as codes of 0…127. The scores include the
/// scales of the values, so the remaining product uses integers only.
///
/// All channels share the codes' scale, which the largest product determines; the sums of the codes stay 0.
@inlinable @inline(__always)
public func quantizeScores<ISA: InstructionSet>(_: ISA.Type, _ w: ScaledScores) {
    let bias = ISA.broadcast(roundingBias)
    var ahead = PrefetchSteps<ISA>(w.ahead, steps: w.rowCount &* w.groupCount)
    var group = 0
    while group < w.groupCount {
        let scales = w.scales + group &* w.scaleByteStride
        var largestLow = ISA.loadHalves(scales), largestHigh = ISA.loadHalves(scales + 32)
        var channels = 1
        while channels < w.channelGroupCount {
            largestLow = ISA.maximum(largestLow, ISA.loadHalves(scales + channels &* 64))
            largestHigh = ISA.maximum(largestHigh, ISA.loadHalves(scales + (channels &* 64 &+ 32)))
            channels &+= 1
        }
        var row = 0
        while row < w.rowCount {
            let scores = w.scores + (row &* w.scoreStride &+ group &* groupColumns)
            let low = ISA.load(scores), high = ISA.load(scores + 16)
            let largest = ISA.largest(
                ISA.maximum(ISA.multiply(low, largestLow), ISA.multiply(high, largestHigh)))
            let inverse = ISA.broadcast(codes(toLargest: largest))
            let scaledLow = ISA.multiply(low, inverse), scaledHigh = ISA.multiply(high, inverse)
            var output = w.output + (row &* w.channelGroupCount &* w.groupCount &+ group)
            channels = 0
            while channels < w.channelGroupCount {
                let scales = scales + channels &* 64
                let raw = UnsafeMutableRawPointer(output)
                // Not fused, as above.
                ISA.storeLowBytes(
                    ISA.add(ISA.multiply(scaledLow, ISA.loadHalves(scales)), bias), to: raw)
                ISA.storeLowBytes(
                    ISA.add(ISA.multiply(scaledHigh, ISA.loadHalves(scales + 32)), bias), to: raw + 16)
                output.pointee.scale = largest * (1 / 127)
                output.pointee.scaledSum = 0
                output.pointee.correction = 0
                output += w.groupCount
                channels &+= 1
            }
            row &+= 1
            ahead.step()
        }
        group &+= 1
    }
}
