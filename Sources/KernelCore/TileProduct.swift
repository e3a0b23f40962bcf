// SPDX-License-Identifier: Apache-2.0
// The loops around all matrix products. The outer loop runs over tiles, so that a tile's weights are read once and stay in
// the first-level cache; the inner loop runs over blocks of tokens.

/// output[t, r] = Σ_c w[r, c] · input[t, c] for all tokens and some tiles of rows.
///
/// `tiles` may be weights (formats/tiller.md), keys of the cache (a row is a position, a column a channel) or values of
/// the cache (a row is a channel, a column a position).
public struct TileProduct {
    /// The first tile.
    public var tiles: UnsafeRawPointer
    /// Bytes from one tile of 16 rows to the next.
    public var tileByteCount: Int
    /// Bytes from one column of a tile to the next, for encodings that store single columns (floating point).
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

/// The prefetch distance of a product with few tokens, in bytes. Memory responds late, and the hardware prefetcher stops at
/// page boundaries and at cache lines that take many instructions. Prefetching past the end of the thread's part is wasted, so
/// a larger distance does not help.
@inlinable public var prefetchDistance: Int { @inline(__always) get { 8192 } }

/// Whether a block has so few tokens that its weights are rarely cached.
@inlinable @inline(__always)
public func isMemoryBound<Block: TokenBlock>(_: Block.Type) -> Bool { Block.tokenCount <= 4 }

/// Prefetches the bytes of one group of weights, `prefetchDistance` after an address, if weights come from memory.
///
/// With an address that advances through a tile group by group, scales included or not, it prefetches all later tiles once.
@inlinable @inline(__always)
func prefetch<Block: TokenBlock>(
    _: Block.Type, behind p: UnsafeRawPointer, byteCount: Int
) {
    guard isMemoryBound(Block.self) else { return }
    var offset = 0
    while offset < byteCount {
        Block.ISA.prefetch(p + (prefetchDistance &+ offset))
        offset &+= 64
    }
}

/// The product of tiles and one block of tokens.
public protocol TileKernel {
    associatedtype ISA: TileLanes

    /// Multiplies the rows of `tile` by one block of tokens that begins at `token`.
    static func multiply<Block: TokenBlock>(_: Block.Type, _ p: TileProduct, tile: Int, token: Int)
    where Block.ISA == ISA

    /// Whether two tiles are better multiplied together for blocks of this many tokens.
    static func pairsTiles(tokenCount: Int) -> Bool

    /// Multiplies the rows of `tile` and `tile + 1` by one block.
    static func multiplyPair<Block: TokenBlock>(_: Block.Type, _ p: TileProduct, tile: Int, token: Int)
    where Block.ISA == ISA
}

extension TileKernel {
    @inlinable @inline(__always) public static func pairsTiles(tokenCount: Int) -> Bool { false }

    @inlinable @inline(__always)
    public static func multiplyPair<Block: TokenBlock>(
        _: Block.Type, _ p: TileProduct, tile: Int, token: Int
    ) where Block.ISA == ISA {
        multiply(Block.self, p, tile: tile, token: token)
        multiply(Block.self, p, tile: tile &+ 1, token: token)
    }
}

/// Multiplies the tiles `firstTile ..< endTile` of a product by blocks of `Wide`, then of 4, 3, 2 and 1 tokens.
@inlinable @inline(__always)
public func multiply<Kernel: TileKernel, Wide: TokenBlock>(
    _: Kernel.Type, _: Wide.Type, _ p: TileProduct, _ firstTile: Int, _ endTile: Int
) where Wide.ISA == Kernel.ISA {
    typealias ISA = Kernel.ISA
    let step = p.beginTiles(ISA.self, firstTile, endTile, blockTokens: min(Wide.tokenCount, 4))
    var tile = firstTile
    while tile < endTile {
        let end = min(tile &+ step, endTile)
        var token = multiplyBlocks(Kernel.self, Wide.self, p, tile, end, 0)
        if Wide.tokenCount > 4 { token = multiplyBlocks(Kernel.self, Four<ISA>.self, p, tile, end, token) }
        if Wide.tokenCount > 3 { token = multiplyBlocks(Kernel.self, Three<ISA>.self, p, tile, end, token) }
        if Wide.tokenCount > 2 { token = multiplyBlocks(Kernel.self, Two<ISA>.self, p, tile, end, token) }
        _ = multiplyBlocks(Kernel.self, One<ISA>.self, p, tile, end, token)
        tile = end
    }
}

/// The same for wide blocks that process half of a tile's rows at a time.
///
/// Its last blocks repeat the code of the function above: a shared function would not be inlined, and would be emitted as a
/// weak symbol.
@inlinable @inline(__always)
public func multiply<Kernel: TileKernel, Low: TileKernel, High: TileKernel>(
    _: Kernel.Type, halves _: Low.Type, _: High.Type, _ p: TileProduct, _ firstTile: Int, _ endTile: Int
) {
    let step = p.beginTiles(Kernel.ISA.self, firstTile, endTile, blockTokens: 4)
    var tile = firstTile
    while tile < endTile {
        let end = min(tile &+ step, endTile)
        _ = multiplyBlocks(Low.self, Eight<Low.ISA>.self, p, tile, end, 0)
        var token = multiplyBlocks(High.self, Eight<High.ISA>.self, p, tile, end, 0)
        token = multiplyBlocks(Kernel.self, Four<Kernel.ISA>.self, p, tile, end, token)
        token = multiplyBlocks(Kernel.self, Three<Kernel.ISA>.self, p, tile, end, token)
        token = multiplyBlocks(Kernel.self, Two<Kernel.ISA>.self, p, tile, end, token)
        _ = multiplyBlocks(Kernel.self, One<Kernel.ISA>.self, p, tile, end, token)
        tile = end
    }
}

/// Multiplies some tiles by as many whole blocks as the tokens from `first` on fill.
/// - Returns: The first remaining token.
@inlinable @inline(__always)
func multiplyBlocks<Kernel: TileKernel, Block: TokenBlock>(
    _: Kernel.Type, _: Block.Type, _ p: TileProduct, _ firstTile: Int, _ endTile: Int, _ first: Int
) -> Int where Block.ISA == Kernel.ISA {
    let end = p.tokenCount &- Block.tokenCount
    guard first <= end else { return first }
    var next = PrefetchTiles<Block>(p, from: endTile)
    var tile = firstTile
    // Process one tile, or pair of tiles, at a time: it stays in the first-level cache for all tokens.
    while tile < endTile {
        let count = Kernel.pairsTiles(tokenCount: Block.tokenCount) && tile &+ 1 < endTile ? 2 : 1
        var token = first
        while token <= end {
            if count == 2 {
                Kernel.multiplyPair(Block.self, p, tile: tile, token: token)
            } else {
                Kernel.multiply(Block.self, p, tile: tile, token: token)
            }
            next.prefetch(tileCount: count)
            token &+= Block.tokenCount
        }
        tile &+= count
    }
    return first &+ (p.tokenCount &- first) / Block.tokenCount &* Block.tokenCount
}

/// The tiles after the current ones, prefetched in steps during the products of wide blocks of tokens: without prefetching,
/// the first block of a tile would wait for memory.
@usableFromInline
struct PrefetchTiles<Block: TokenBlock> {
    @usableFromInline var address: UnsafeRawPointer
    /// Cache lines of a tile to prefetch per block of tokens.
    @usableFromInline let lineCount: Int

    @inlinable @inline(__always)
    init(_ p: TileProduct, from tile: Int) {
        address = p.tiles + tile &* p.tileByteCount
        lineCount =
            isMemoryBound(Block.self)
            ? 0 : p.tileByteCount / 64 &* Block.tokenCount / max(p.tokenCount, Block.tokenCount) &+ 1
    }

    @inlinable @inline(__always)
    mutating func prefetch(tileCount: Int) {
        guard !isMemoryBound(Block.self) else { return }
        let end = address + tileCount &* lineCount &* 64
        while address < end {
            Block.ISA.prefetchLater(address)
            address += 64
        }
    }
}

extension TileProduct {
    /// The number of tiles that pass through all blocks of tokens together: two, so that they stay in the first-level cache, or
    /// all tiles if the tokens form one block. A branch between two tiles stalls memory: in pairs, decoding lost 4-10 %.
    @inlinable @inline(__always)
    func beginTiles<ISA: TileLanes>(
        _: ISA.Type, _ firstTile: Int, _ endTile: Int, blockTokens: Int
    ) -> Int {
        guard tokenCount <= blockTokens else { return 2 }
        let count = endTile &- firstTile
        // Before the first prefetch arrives, each group of weights would wait for memory separately: a microsecond per part.
        var address = tiles + firstTile &* tileByteCount
        let end = address + min(count &* tileByteCount, prefetchDistance)
        while address < end {
            ISA.prefetch(address)
            address += 64
        }
        return count
    }

    /// Valid rows of a tile: 16, or fewer in the last one.
    @inlinable @inline(__always)
    func rowCount(ofTile tile: Int) -> Int { min(laneCount, rowCount &- tile &* laneCount) }

    @inlinable @inline(__always)
    func output(tile: Int, token: Int) -> UnsafeMutablePointer<Float> {
        output + (token &* outputStride &+ tile &* laneCount)
    }
}
