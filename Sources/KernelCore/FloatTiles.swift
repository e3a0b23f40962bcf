// SPDX-License-Identifier: Apache-2.0
// Tiles whose columns are sixteen consecutive numbers, loaded as Float: Float32 and Float16 weights, keys and values.

/// Reads a tile column by column.
public protocol ColumnReader {
    associatedtype ISA: InstructionSet
    init(_ p: TileProduct, tile: Int)
    /// Loads the 16 rows of one column.
    func load(column: Int) -> ISA.Floats
    /// The first column.
    var firstColumn: UnsafeRawPointer { get }
    var columnByteCount: Int { get }
}

extension ColumnReader {
    /// The address of a column.
    @inlinable @inline(__always) public func address(column: Int) -> UnsafeRawPointer {
        firstColumn + column &* columnByteCount
    }
}

/// A column is 16 × Float32.
public struct Float32Columns<ISA: InstructionSet>: ColumnReader {
    public let firstColumn: UnsafeRawPointer
    public let columnByteCount: Int

    @inlinable @inline(__always) public init(_ p: TileProduct, tile: Int) {
        firstColumn = p.tiles + tile &* p.tileByteCount
        columnByteCount = p.columnByteCount
    }

    @inlinable @inline(__always) public func load(column: Int) -> ISA.Floats {
        ISA.load(address(column: column).assumingMemoryBound(to: Float.self))
    }
}

/// A column is 16 × binary16.
public struct Float16Columns<ISA: InstructionSet>: ColumnReader {
    public let firstColumn: UnsafeRawPointer
    public let columnByteCount: Int

    @inlinable @inline(__always) public init(_ p: TileProduct, tile: Int) {
        firstColumn = p.tiles + tile &* p.tileByteCount
        columnByteCount = p.columnByteCount
    }

    @inlinable @inline(__always) public func load(column: Int) -> ISA.Floats {
        ISA.loadHalves(address(column: column))
    }
}

/// Products with floating-point columns: one multiply-add per column, in column order.
public enum FloatTile<Reader: ColumnReader>: TileKernel {
    public typealias ISA = Reader.ISA

    @inlinable @inline(__always)
    public static func multiply<Block: TokenBlock>(_: Block.Type, _ p: TileProduct, tile: Int, token: Int)
    where Block.ISA == ISA {
        let reader = Reader(p, tile: tile)
        let x = p.input.assumingMemoryBound(to: Float.self) + token &* p.inputStride
        var block = Block()
        var column = 0
        while column < p.columnCount {
            prefetch(Block.self, behind: reader.address(column: column), byteCount: 64)
            block.add(reader.load(column: column), times: x + column, stride: p.inputStride)
            column &+= 1
        }
        block.store(
            to: p.output(tile: tile, token: token), stride: p.outputStride, rowCount: p.rowCount(ofTile: tile)
        )
    }

    /// Two tiles keep the pipeline full if there are few tokens.
    @inlinable @inline(__always) public static func pairsTiles(tokenCount: Int) -> Bool {
        tokenCount == 1 || 2 &* tokenCount &+ 4 <= ISA.registerCount
    }

    @inlinable @inline(__always)
    public static func multiplyPair<Block: TokenBlock>(
        _: Block.Type, _ p: TileProduct, tile: Int, token: Int
    ) where Block.ISA == ISA {
        let readers = (Reader(p, tile: tile), Reader(p, tile: tile &+ 1))
        let x = p.input.assumingMemoryBound(to: Float.self) + token &* p.inputStride
        var blocks = (Block(), Block())
        var column = 0
        while column < p.columnCount {
            prefetch(Block.self, behind: readers.0.address(column: column), byteCount: 64)
            blocks.0.add(readers.0.load(column: column), times: x + column, stride: p.inputStride)
            blocks.1.add(readers.1.load(column: column), times: x + column, stride: p.inputStride)
            column &+= 1
        }
        blocks.0.store(
            to: p.output(tile: tile, token: token), stride: p.outputStride, rowCount: p.rowCount(ofTile: tile)
        )
        blocks.1.store(
            to: p.output(tile: tile &+ 1, token: token), stride: p.outputStride,
            rowCount: p.rowCount(ofTile: tile &+ 1))
    }
}
