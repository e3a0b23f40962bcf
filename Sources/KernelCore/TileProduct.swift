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
    /// From one column of a tile to the next, where columns are stored one by one (floating-point forms).
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

/// How far ahead of a product with few tokens weights are asked for: memory answers late, and the processor's own
/// look-ahead ends at pages and before cache lines that take many instructions. What lies behind a thread's part is asked
/// for in vain, so further is not better.
@inlinable public var prefetchDistance: Int { @inline(__always) get { 6144 } }

/// How much of a part's weights is asked for before anything is computed. What is asked for step by step only comes in time from
/// `prefetchDistance` on: until then each group of weights would wait for memory by itself (a microsecond for each part).
@inlinable public var beginningByteCount: Int { @inline(__always) get { 8192 } }

/// Whether there are so few tokens that their weights are seldom in a cache.
@inlinable @inline(__always)
public func isMemoryBound(tokenCount: Int) -> Bool { tokenCount <= 4 }

/// The same for a block.
@inlinable @inline(__always)
public func isMemoryBound<Block: TokenBlock>(_: Block.Type) -> Bool {
    isMemoryBound(tokenCount: Block.tokenCount)
}

/// Asks for as many bytes as a group of weights takes, `distance` behind an address, where weights come from memory.
///
/// With an address that goes through a tile group by group, scales or not, all of the tiles to come are asked for once.
@inlinable @inline(__always)
func prefetch<Block: TokenBlock>(
    _: Block.Type, behind p: UnsafeRawPointer, by distance: Int = prefetchDistance, byteCount: Int
) {
    guard isMemoryBound(Block.self) else { return }
    var offset = 0
    while offset < byteCount {
        Block.Set.prefetch(p + (distance &+ offset))
        offset &+= 64
    }
}

/// How tiles are multiplied by one block of tokens.
public protocol TileKernel {
    associatedtype Set: TileLanes

    /// Rows of `tile` × the tokens from `token` on that fill one block.
    static func multiply<Block: TokenBlock>(_: Block.Type, _ p: TileProduct, tile: Int, token: Int)
    where Block.Set == Set

    /// Whether two tiles are better multiplied together with blocks of so many tokens.
    static func pairsTiles(tokenCount: Int) -> Bool

    /// Rows of `tile` and `tile + 1` × one block.
    static func multiplyPair<Block: TokenBlock>(_: Block.Type, _ p: TileProduct, tile: Int, token: Int)
    where Block.Set == Set
}

extension TileKernel {
    @inlinable @inline(__always) public static func pairsTiles(tokenCount: Int) -> Bool { false }

    @inlinable @inline(__always)
    public static func multiplyPair<Block: TokenBlock>(
        _: Block.Type, _ p: TileProduct, tile: Int, token: Int
    ) where Block.Set == Set {
        multiply(Block.self, p, tile: tile, token: token)
        multiply(Block.self, p, tile: tile &+ 1, token: token)
    }
}

/// The tiles `firstTile ..< endTile` of a product, in blocks of `Wide`, then of 4, 3, 2 and 1 tokens.
@inlinable @inline(__always)
public func multiply<Kernel: TileKernel, Wide: TokenBlock>(
    _: Kernel.Type, _: Wide.Type, _ p: TileProduct, _ firstTile: Int, _ endTile: Int
) where Wide.Set == Kernel.Set {
    typealias Set = Kernel.Set
    p.prefetchBeginning(Set.self, firstTile, endTile)
    var tile = firstTile
    while tile < endTile {
        let isPair = tile &+ 1 < endTile
        var token = multiplyBlocks(Kernel.self, Wide.self, p, tile, isPair, 0)
        if Wide.tokenCount > 4 { token = multiplyBlocks(Kernel.self, Four<Set>.self, p, tile, isPair, token) }
        multiplyRest(Kernel.self, p, tile, isPair, token, below: Wide.tokenCount)
        tile &+= isPair ? 2 : 1
    }
}

/// The same where wide blocks go through half of a tile's rows at a time.
@inlinable @inline(__always)
public func multiply<Kernel: TileKernel, Low: TileKernel, High: TileKernel>(
    _: Kernel.Type, halves _: Low.Type, _: High.Type, _ p: TileProduct, _ firstTile: Int, _ endTile: Int
) {
    p.prefetchBeginning(Kernel.Set.self, firstTile, endTile)
    var tile = firstTile
    while tile < endTile {
        let isPair = tile &+ 1 < endTile
        _ = multiplyBlocks(Low.self, Eight<Low.Set>.self, p, tile, isPair, 0)
        var token = multiplyBlocks(High.self, Eight<High.Set>.self, p, tile, isPair, 0)
        token = multiplyBlocks(Kernel.self, Four<Kernel.Set>.self, p, tile, isPair, token)
        multiplyRest(Kernel.self, p, tile, isPair, token, below: 4)
        tile &+= isPair ? 2 : 1
    }
}

/// One or two tiles × the tokens from `token` on, in blocks of 3, 2 and 1 token; fewer than `count` are left.
@inlinable @inline(__always)
func multiplyRest<Kernel: TileKernel>(
    _: Kernel.Type, _ p: TileProduct, _ tile: Int, _ isPair: Bool, _ token: Int, below count: Int
) {
    typealias Set = Kernel.Set
    var token = token
    if count > 3 { token = multiplyBlocks(Kernel.self, Three<Set>.self, p, tile, isPair, token) }
    if count > 2 { token = multiplyBlocks(Kernel.self, Two<Set>.self, p, tile, isPair, token) }
    _ = multiplyBlocks(Kernel.self, One<Set>.self, p, tile, isPair, token)
}

/// One or two tiles × the tokens from `first` on, as many as fill whole blocks.
/// - Returns: the first token that is left.
@inlinable @inline(__always)
func multiplyBlocks<Kernel: TileKernel, Block: TokenBlock>(
    _: Kernel.Type, _: Block.Type, _ p: TileProduct, _ tile: Int, _ isPair: Bool, _ first: Int
) -> Int where Block.Set == Kernel.Set {
    let end = p.tokenCount &- Block.tokenCount
    var token = first
    var next = TilesAhead<Block>(p, from: tile &+ 2)
    if isPair, Kernel.pairsTiles(tokenCount: Block.tokenCount) {
        while token <= end {
            Kernel.multiplyPair(Block.self, p, tile: tile, token: token)
            next.prefetch(tileCount: 2)
            token &+= Block.tokenCount
        }
        return token
    }
    // One tile after the other: it stays in the first cache while the tokens pass by.
    while token <= end {
        Kernel.multiply(Block.self, p, tile: tile, token: token)
        next.prefetch(tileCount: 1)
        token &+= Block.tokenCount
    }
    guard isPair else { return token }
    token = first
    while token <= end {
        Kernel.multiply(Block.self, p, tile: tile &+ 1, token: token)
        next.prefetch(tileCount: 1)
        token &+= Block.tokenCount
    }
    return token
}

/// The tiles after those that are multiplied, asked for bit by bit while wide blocks of tokens pass by: one that begins
/// in memory would keep its first block waiting.
@usableFromInline
struct TilesAhead<Block: TokenBlock> {
    @usableFromInline var address: UnsafeRawPointer
    /// Cache lines of a tile for each block of tokens.
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
            Block.Set.prefetchLater(address)
            address += 64
        }
    }
}

extension TileProduct {
    /// Asks for the first of some tiles at once, where weights come from memory.
    @inlinable @inline(__always)
    func prefetchBeginning<Set: TileLanes>(_: Set.Type, _ firstTile: Int, _ endTile: Int) {
        guard isMemoryBound(tokenCount: tokenCount) else { return }
        let byteCount = min((endTile &- firstTile) &* tileByteCount, beginningByteCount)
        var address = tiles + firstTile &* tileByteCount
        let end = address + byteCount
        while address < end {
            Set.prefetch(address)
            address += 64
        }
    }

    /// Rows of a tile that exist: 16, or fewer in the last one.
    @inlinable @inline(__always)
    func rowCount(ofTile tile: Int) -> Int { min(laneCount, rowCount &- tile &* laneCount) }

    @inlinable @inline(__always)
    func output(tile: Int, token: Int) -> UnsafeMutablePointer<Float> {
        output + (token &* outputStride &+ tile &* laneCount)
    }
}
