// SPDX-License-Identifier: Apache-2.0
// Tiles of low-bit codes: w = rowScale · scale · q − rowMinimum · minimum. As with 8 bits, each group of 32 columns
// first gives exact integer sums.

/// The layout of one encoding's codes in a group, and the number of codes that 16-bit sums can accumulate.
public protocol AffineGroupKernel {
    associatedtype ISA: TileLanes
    /// Bytes of a group's codes.
    static var byteCount: Int { get }

    /// The integer sums of one group, without the terms that `endLowBits` adds.
    static func add<Block: TokenBlock>(
        _ block: inout Block, _ codes: UnsafeRawPointer, _ x: UnsafePointer<QuantizedGroup>, stride: Int,
        scaledBy scales: ISA.ByteScales
    ) where Block.ISA == ISA
}

/// Weights of an affine encoding.
public enum AffineTile<Group: AffineGroupKernel>: TileKernel {
    public typealias ISA = Group.ISA

    @inlinable @inline(__always)
    public static func multiply<Block: TokenBlock>(_: Block.Type, _ p: TileProduct, tile: Int, token: Int)
    where Block.ISA == ISA {
        let start = p.tiles + tile &* p.tileByteCount
        let groupCount = p.columnCount / groupColumns
        let layout = GroupLayout.affine(codeByteCount: Group.byteCount)
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
            block.beginNibbles()
            Group.add(&block, codes, x, stride: p.inputStride, scaledBy: byteScales)
            block.endLowBits(scaledBy: byteScales, x, stride: p.inputStride)
            block.addMinimum(ISA.loadUnsignedBytes(scales + 16), x, stride: p.inputStride)
            read += byteCount
            scales += layout.scaleByteCount
            codes += layout.codeByteCount
            x += 1
        }
        block.scale(by: ISA.loadBrainFloats(start))
        block.subtractMinimum(times: ISA.loadBrainFloats(start + 32))
        block.store(
            to: p.output(tile: tile, token: token), stride: p.outputStride, rowCount: p.rowCount(ofTile: tile)
        )
    }
}

/// Codes of `TensorEncoding.int4`.
public enum FourBits<ISA: TileLanes>: AffineGroupKernel {
    @inlinable @inline(__always) public static var byteCount: Int { 256 }

    @inlinable @inline(__always)
    public static func add<Block: TokenBlock>(
        _ block: inout Block, _ codes: UnsafeRawPointer, _ x: UnsafePointer<QuantizedGroup>, stride: Int,
        scaledBy scales: ISA.ByteScales
    ) where Block.ISA == ISA {
        let tripCount = ISA.tripCount(4)
        var j = 0
        while j < tripCount {
            let w = ISA.loadNibbles(codes + j &* 64)
            block.add(w.low, times: x, stride: stride, 2 &* j)
            block.add(w.high, times: x, stride: stride, 2 &* j &+ 1)
            j &+= 1
        }
    }
}

/// Codes whose highest bit is in a separate block of 64 bytes.
public protocol SplitCodes: AffineGroupKernel {
    /// The columns 4s to 4s + 3; `s` is a constant where this is inlined.
    static func quad(_ codes: UnsafeRawPointer, _ s: Int) -> ISA.LowBitCodes
}

/// Codes of `TensorEncoding.int5`: their sums are twice as large, so each half of the group has a separate sum.
public enum FiveBits<ISA: TileLanes>: SplitCodes {
    @inlinable @inline(__always) public static var byteCount: Int { 320 }

    @inlinable @inline(__always)
    public static func add<Block: TokenBlock>(
        _ block: inout Block, _ codes: UnsafeRawPointer, _ x: UnsafePointer<QuantizedGroup>, stride: Int,
        scaledBy scales: ISA.ByteScales
    ) where Block.ISA == ISA {
        addHalf(&block, codes, x, stride: stride, 0)
        block.endLowBits(scaledBy: scales, x, stride: stride)
        block.beginNibbles()
        addHalf(&block, codes, x, stride: stride, 4)
    }

    @inlinable @inline(__always)
    public static func quad(_ codes: UnsafeRawPointer, _ s: Int) -> ISA.LowBitCodes {
        ISA.join(
            ISA.loadFields(codes + s / 2 &* 64, first: s & 1 &* 4, mask: 15, place: 0),
            ISA.loadFields(codes + 256, first: s, mask: 1, place: 4))
    }
}

/// Codes of `TensorEncoding.int3`.
public enum ThreeBits<ISA: TileLanes>: SplitCodes {
    @inlinable @inline(__always) public static var byteCount: Int { 192 }

    @inlinable @inline(__always)
    public static func add<Block: TokenBlock>(
        _ block: inout Block, _ codes: UnsafeRawPointer, _ x: UnsafePointer<QuantizedGroup>, stride: Int,
        scaledBy scales: ISA.ByteScales
    ) where Block.ISA == ISA {
        addHalf(&block, codes, x, stride: stride, 0)
        addHalf(&block, codes, x, stride: stride, 4)
    }

    @inlinable @inline(__always)
    public static func quad(_ codes: UnsafeRawPointer, _ s: Int) -> ISA.LowBitCodes {
        ISA.join(
            ISA.loadFields(codes + s / 4 &* 64, first: s & 3 &* 2, mask: 3, place: 0),
            ISA.loadFields(codes + 128, first: s, mask: 1, place: 2))
    }
}

extension SplitCodes {
    /// Half of a group: the columns from 4 · `first` on.
    @inlinable @inline(__always)
    static func addHalf<Block: TokenBlock>(
        _ block: inout Block, _ codes: UnsafeRawPointer, _ x: UnsafePointer<QuantizedGroup>, stride: Int,
        _ first: Int
    ) where Block.ISA == ISA {
        block.add(quad(codes, first), times: x, stride: stride, first)
        block.add(quad(codes, first &+ 1), times: x, stride: stride, first &+ 1)
        block.add(quad(codes, first &+ 2), times: x, stride: stride, first &+ 2)
        block.add(quad(codes, first &+ 3), times: x, stride: stride, first &+ 3)
    }
}
