// SPDX-License-Identifier: Apache-2.0
// The loop around all matrix products: tiles outside, so that a tile's weights are read once and stay in the first
// cache; blocks of tokens inside.

/// output[t, r] = Σ_c w[r, c] · input[t, c] for all tokens and some tiles of rows.
///
/// `tiles` may be weights (formats/tiller.md), keys of the cache (a row is a position, a column a channel) or values of
/// the cache (a row is a channel, a column a position).
public struct TileProduct {
    /// The first tile.
    public var tiles: UnsafeRawPointer
    /// From one tile of 16 rows to the next.
    public var tileByteCount: Int
    /// From one column of a tile to the next, where columns are stored one by one (floating-point forms, values).
    public var columnByteCount: Int
    public var columnCount: Int
    /// Rows of all tiles; output rows have this many elements.
    public var rowCount: Int
    /// [tokens × inputStride] Float, or QuantizedGroup for integer weights.
    public var input: UnsafeRawPointer
    /// Elements (Float or QuantizedGroup) from one token to the next.
    public var inputStride: Int
    /// [tokens × outputStride], must not alias the input.
    public var output: UnsafeMutablePointer<Float>
    public var outputStride: Int
    public var tokenCount: Int

    @inlinable @inline(__always)
    public init(
        tiles: UnsafeRawPointer, tileByteCount: Int, columnByteCount: Int, columnCount: Int, rowCount: Int,
        input: UnsafeRawPointer, inputStride: Int, output: UnsafeMutablePointer<Float>, outputStride: Int,
        tokenCount: Int
    ) {
        self.tiles = tiles
        self.tileByteCount = tileByteCount
        self.columnByteCount = columnByteCount
        self.columnCount = columnCount
        self.rowCount = rowCount
        self.input = input
        self.inputStride = inputStride
        self.output = output
        self.outputStride = outputStride
        self.tokenCount = tokenCount
    }
}

/// How one tile is multiplied by one block of tokens.
public protocol TileKernel {
    associatedtype Set: InstructionSet

    /// Rows of `tile` × the tokens from `token` on that fill one block.
    static func multiply<Block: TokenBlock>(_: Block.Type, _ p: TileProduct, tile: Int, token: Int)
    where Block.Set == Set

    /// Rows of `tile` and `tile + 1` × one token.
    static func multiplyPair(_ p: TileProduct, tile: Int, token: Int)
}

/// The tiles `firstTile ..< endTile` of a product, in blocks of `Wide`, then of 4, 2 and 1 tokens.
@inlinable @inline(__always)
public func multiply<Kernel: TileKernel, Wide: TokenBlock>(
    _: Kernel.Type, _: Wide.Type, _ p: TileProduct, _ firstTile: Int, _ endTile: Int
) where Wide.Set == Kernel.Set {
    var firstTile = firstTile
    while firstTile < endTile {
        // Two tiles at a time: a single token's chain of additions is too short to fill the pipeline.
        let isPair = firstTile &+ 1 < endTile
        let lastTile = isPair ? firstTile &+ 1 : firstTile
        var tile = firstTile
        while tile <= lastTile {
            var token = 0
            while token &+ Wide.tokenCount <= p.tokenCount {
                Kernel.multiply(Wide.self, p, tile: tile, token: token)
                token &+= Wide.tokenCount
            }
            if Wide.tokenCount > 4, token &+ 4 <= p.tokenCount {
                Kernel.multiply(Four<Kernel.Set>.self, p, tile: tile, token: token)
                token &+= 4
            }
            if token &+ 2 <= p.tokenCount {
                Kernel.multiply(Two<Kernel.Set>.self, p, tile: tile, token: token)
                token &+= 2
            }
            if token < p.tokenCount, !isPair {
                Kernel.multiply(One<Kernel.Set>.self, p, tile: tile, token: token)
            }
            tile &+= 1
        }
        if isPair, p.tokenCount & 1 == 1 {
            Kernel.multiplyPair(p, tile: firstTile, token: p.tokenCount &- 1)
        }
        firstTile = lastTile &+ 1
    }
}

extension TileProduct {
    /// Rows of a tile that exist: 16, or fewer in the last one.
    @inlinable @inline(__always)
    func rowCount(ofTile tile: Int) -> Int { min(laneCount, rowCount &- tile &* laneCount) }

    @inlinable @inline(__always)
    func output(tile: Int, token: Int) -> UnsafeMutablePointer<Float> {
        output + (token &* outputStride &+ tile &* laneCount)
    }
}
