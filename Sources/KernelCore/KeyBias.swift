// SPDX-License-Identifier: Apache-2.0
// The contribution of key biases to attention scores. RoPE rotates a bias as it rotates the key, so the bias's product with a
// query is a sum of cosines and sines of the key's position. The cache need not store it, where it would consume precision.

/// Scores of some rows, and the biases that their cached keys omit.
///
/// With b the bias, R_p the rotation of position p, and pairs (i, i + half) of a head (NeoX order):
///
///     q · R_p b = Σ_i (q_i b_i + q_{i+half} b_{i+half}) cos(p θ_i) + (q_{i+half} b_i − q_i b_{i+half}) sin(p θ_i)
public struct KeyBiasScores {
    /// [rowCount × stride]; the terms are added to them.
    public var scores: UnsafeMutablePointer<Float>
    public var stride: Int
    public var rowCount: Int
    /// Tiles of 16 positions.
    public var tileCount: Int
    /// The angles of the first tile: for each pair 16 cosines, then 16 sines.
    public var angles: UnsafePointer<Float>
    /// Elements from one tile to the next.
    public var angleStride: Int
    /// The pairs that have a bias [pairCount].
    public var pairs: UnsafePointer<Int32>
    public var pairCount: Int
    /// Factors of cosine and sine [rowCount × pairCount × 2].
    public var factors: UnsafePointer<Float>

    @inlinable @inline(__always)
    public init(
        scores: UnsafeMutablePointer<Float>, stride: Int, rowCount: Int, tileCount: Int,
        angles: UnsafePointer<Float>, angleStride: Int, pairs: UnsafePointer<Int32>, pairCount: Int,
        factors: UnsafePointer<Float>
    ) {
        self.scores = scores
        self.stride = stride
        self.rowCount = rowCount
        self.tileCount = tileCount
        self.angles = angles
        self.angleStride = angleStride
        self.pairs = pairs
        self.pairCount = pairCount
        self.factors = factors
    }
}

/// scores[r, p] += Σ_i factors[r, i, 0] · cos(p θ_i) + factors[r, i, 1] · sin(p θ_i), in the order of the pairs.
///
/// Four rows share the loads of a tile; the order of additions is the same as for a single row.
@inlinable @inline(__always)
public func addKeyBias<ISA: InstructionSet>(_: ISA.Type, _ b: KeyBiasScores) {
    var tile = 0
    while tile < b.tileCount {
        let angles = b.angles + tile &* b.angleStride
        var row = 0
        while row &+ 4 <= b.rowCount {
            let scores = b.scores + (row &* b.stride &+ tile &* laneCount)
            let (second, third, fourth) = (scores + b.stride, scores + 2 &* b.stride, scores + 3 &* b.stride)
            var s0 = ISA.load(scores), s1 = ISA.load(second), s2 = ISA.load(third), s3 = ISA.load(fourth)
            var f0 = b.factors + row &* b.pairCount &* 2
            var f1 = f0 + b.pairCount &* 2, f2 = f0 + b.pairCount &* 4, f3 = f0 + b.pairCount &* 6
            var pair = 0
            while pair < b.pairCount {
                let cosines = angles + Int(b.pairs[pair]) &* 2 &* laneCount
                let cosine = ISA.load(cosines), sine = ISA.load(cosines + laneCount)
                s0 = ISA.multiplyAdd(ISA.broadcast(f0[0]), cosine, s0)
                s1 = ISA.multiplyAdd(ISA.broadcast(f1[0]), cosine, s1)
                s2 = ISA.multiplyAdd(ISA.broadcast(f2[0]), cosine, s2)
                s3 = ISA.multiplyAdd(ISA.broadcast(f3[0]), cosine, s3)
                s0 = ISA.multiplyAdd(ISA.broadcast(f0[1]), sine, s0)
                s1 = ISA.multiplyAdd(ISA.broadcast(f1[1]), sine, s1)
                s2 = ISA.multiplyAdd(ISA.broadcast(f2[1]), sine, s2)
                s3 = ISA.multiplyAdd(ISA.broadcast(f3[1]), sine, s3)
                f0 += 2
                f1 += 2
                f2 += 2
                f3 += 2
                pair &+= 1
            }
            ISA.store(s0, to: scores)
            ISA.store(s1, to: second)
            ISA.store(s2, to: third)
            ISA.store(s3, to: fourth)
            row &+= 4
        }
        while row < b.rowCount {
            let scores = b.scores + (row &* b.stride &+ tile &* laneCount)
            var sum = ISA.load(scores)
            var factors = b.factors + row &* b.pairCount &* 2
            var pair = 0
            while pair < b.pairCount {
                let cosines = angles + Int(b.pairs[pair]) &* 2 &* laneCount
                sum = ISA.multiplyAdd(ISA.broadcast(factors[0]), ISA.load(cosines), sum)
                sum = ISA.multiplyAdd(ISA.broadcast(factors[1]), ISA.load(cosines + laneCount), sum)
                factors += 2
                pair &+= 1
            }
            ISA.store(sum, to: scores)
            row &+= 1
        }
        tile &+= 1
    }
}
