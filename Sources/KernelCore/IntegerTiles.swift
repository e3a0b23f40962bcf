// SPDX-License-Identifier: Apache-2.0
// Tiles of 8-bit codes. Each group of 32 columns gives an exact integer sum; scales and Float follow after that.

/// Weights of `TensorEncoding.int8`: w = rowScale · scale · (q − 128).
public enum Int8Tile<ISA: TileLanes>: TileKernel {
    @inlinable @inline(__always)
    public static func multiply<Block: TokenBlock>(_: Block.Type, _ p: TileProduct, tile: Int, token: Int)
    where Block.ISA == ISA {
        let start = p.tiles + tile &* p.tileByteCount
        let groupCount = p.columnCount / groupColumns, layout = GroupLayout.int8
        var scales = start + layout.factorByteCount
        var codes = start + layout.codeOffset(groupCount: groupCount)
        var x = p.input.assumingMemoryBound(to: QuantizedGroup.self) + token &* p.inputStride
        let end = x + groupCount
        var block = Block()
        var read = start
        let byteCount = layout.scaleByteCount &+ layout.codeByteCount
        while x < end {
            prefetch(Block.self, behind: read, byteCount: byteCount)
            let byteScales = ISA.loadByteScales(scales)
            addCodes(&block, codes, x, stride: p.inputStride, scaledBy: byteScales)
            block.endCodes(scaledBy: byteScales, x, stride: p.inputStride)
            read += byteCount
            scales += layout.scaleByteCount
            codes += layout.codeByteCount
            x += 1
        }
        block.scale(by: ISA.loadBrainFloats(start))
        block.store(
            to: p.output(tile: tile, token: token), stride: p.outputStride, rowCount: p.rowCount(ofTile: tile)
        )
    }

    /// The integer sums of one group: 512 bytes of codes.
    @inlinable @inline(__always)
    static func addCodes<Block: TokenBlock>(
        _ block: inout Block, _ codes: UnsafeRawPointer, _ x: UnsafePointer<QuantizedGroup>, stride: Int,
        scaledBy scales: ISA.ByteScales
    ) where Block.ISA == ISA {
        block.beginCodes(x, stride: stride)
        let tripCount = ISA.tripCount(8)
        var j = 0
        while j < tripCount {
            block.add(ISA.loadCodes(codes + j &* 64), times: x, stride: stride, j, scaledBy: scales)
            j &+= 1
        }
    }
}

/// Keys of an 8-bit cache: w = scale · (q − 128).
///
/// A tile is, for each group, 16 × binary16 scale (this block padded to
/// a multiple of 64 bytes), then the codes as in `TensorEncoding.int8`.
public enum KeyTile<ISA: TileLanes>: TileKernel {
    @inlinable @inline(__always)
    public static func multiply<Block: TokenBlock>(_: Block.Type, _ p: TileProduct, tile: Int, token: Int)
    where Block.ISA == ISA {
        let groupCount = p.columnCount / groupColumns, layout = GroupLayout.keys
        var read = p.tiles + tile &* p.tileByteCount
        var scales = read
        var codes = scales + layout.codeOffset(groupCount: groupCount)
        var x = p.input.assumingMemoryBound(to: QuantizedGroup.self) + token &* p.inputStride
        let end = x + groupCount
        var block = Block()
        let byteCount = layout.scaleByteCount &+ layout.codeByteCount
        while x < end {
            prefetch(Block.self, behind: read, byteCount: byteCount)
            Int8Tile<ISA>.addCodes(
                &block, codes, x, stride: p.inputStride, scaledBy: ISA.unitByteScales())
            block.endCodes(scale: ISA.loadHalves(scales), x, stride: p.inputStride)
            read += byteCount
            scales += layout.scaleByteCount
            codes += layout.codeByteCount
            x += 1
        }
        block.store(
            to: p.output(tile: tile, token: token), stride: p.outputStride, rowCount: p.rowCount(ofTile: tile)
        )
    }
}

/// Values of an 8-bit cache; a row is a channel, a column a position.
///
/// Tiles are signed codes, ordered as in `TensorEncoding.int8`; the input contains their scales (`quantizeScores`). A token's input
/// has all its groups of positions for the first 32 channels, then for the next 32, with codes of 0…127.
public enum ValueTile<ISA: TileLanes>: TileKernel {
    @inlinable @inline(__always)
    public static func multiply<Block: TokenBlock>(_: Block.Type, _ p: TileProduct, tile: Int, token: Int)
    where Block.ISA == ISA {
        let groupCount = p.columnCount / groupColumns
        var codes = p.tiles + tile &* p.tileByteCount
        let channels = tile &* laneCount / groupColumns
        var x = p.input.assumingMemoryBound(to: QuantizedGroup.self)
        x += token &* p.inputStride &+ channels &* groupCount
        let end = x + groupCount
        var block = Block()
        while x < end {
            prefetch(Block.self, behind: codes, byteCount: 512)
            block.beginCodes(x, stride: p.inputStride)
            let tripCount = ISA.tripCount(8)
            var j = 0
            while j < tripCount {
                block.add(
                    ISA.loadSignedCodes(codes + j &* 64), timesUnsigned: x, stride: p.inputStride, j)
                j &+= 1
            }
            block.endCodes(scale: ISA.broadcast(1), x, stride: p.inputStride)
            codes += 512
            x += 1
        }
        block.store(
            to: p.output(tile: tile, token: token), stride: p.outputStride, rowCount: p.rowCount(ofTile: tile)
        )
    }
}
