// SPDX-License-Identifier: Apache-2.0
// Tiles of codes with few bits: w = rowScale · scale · q − rowMinimum · minimum. As with 8 bits, each group of 32 columns
// gives exact integer sums first.

/// How the codes of one encoding lie in a group, and how many of them 16-bit sums can take.
public protocol AffineGroupKernel {
    associatedtype Set: InstructionSet
    /// Bytes of a group's codes.
    static var byteCount: Int { get }

    /// The integer sums of one group, less what `endNibbles` adds.
    static func add<Block: TokenBlock>(
        _ block: inout Block, _ codes: UnsafeRawPointer, _ x: UnsafePointer<QuantizedGroup>, stride: Int,
        scaledBy scales: Set.ByteScales
    ) where Block.Set == Set
}

/// Weights of an affine encoding.
public enum AffineTile<Group: AffineGroupKernel>: TileKernel {
    public typealias Set = Group.Set

    @inlinable @inline(__always)
    public static func multiply<Block: TokenBlock>(_: Block.Type, _ p: TileProduct, tile: Int, token: Int)
    where Block.Set == Set {
        let start = p.tiles + tile &* p.tileByteCount
        let groupCount = p.columnCount / groupColumns
        var scales = start + 64
        var codes = start + (64 &+ groupCount &* 32 &+ 63) / 64 &* 64
        var x = p.input.assumingMemoryBound(to: QuantizedGroup.self) + token &* p.inputStride
        let end = x + groupCount
        var block = Block()
        while x < end {
            let byteScales = Set.loadByteScales(scales)
            block.beginNibbles()
            Group.add(&block, codes, x, stride: p.inputStride, scaledBy: byteScales)
            block.endNibbles(scaledBy: byteScales, x, stride: p.inputStride)
            block.addMinimum(Set.loadUnsignedBytes(scales + 16), x, stride: p.inputStride)
            scales += 32
            codes += Group.byteCount
            x += 1
        }
        block.scale(by: Set.loadBrainFloats(start))
        block.subtractMinimum(times: Set.loadBrainFloats(start + 32))
        block.store(
            to: p.output(tile: tile, token: token), stride: p.outputStride, rowCount: p.rowCount(ofTile: tile)
        )
    }
}

/// Codes of `TensorEncoding.int4`.
public enum FourBits<Set: InstructionSet>: AffineGroupKernel {
    @inlinable @inline(__always) public static var byteCount: Int { 256 }

    @inlinable @inline(__always)
    public static func add<Block: TokenBlock>(
        _ block: inout Block, _ codes: UnsafeRawPointer, _ x: UnsafePointer<QuantizedGroup>, stride: Int,
        scaledBy scales: Set.ByteScales
    ) where Block.Set == Set {
        var j = 0
        while j < 4 {
            if isMemoryBound(Block.self) { Set.prefetch(codes + (j &* 64 &+ prefetchDistance)) }
            let w = Set.loadNibbles(codes + j &* 64)
            block.add(w.low, times: x, stride: stride, 2 &* j)
            block.add(w.high, times: x, stride: stride, 2 &* j &+ 1)
            j &+= 1
        }
    }
}

/// Codes of `TensorEncoding.int5`: their sums are twice as large, so each half of the group has its own.
public enum FiveBits<Set: InstructionSet>: AffineGroupKernel {
    @inlinable @inline(__always) public static var byteCount: Int { 320 }

    @inlinable @inline(__always)
    public static func add<Block: TokenBlock>(
        _ block: inout Block, _ codes: UnsafeRawPointer, _ x: UnsafePointer<QuantizedGroup>, stride: Int,
        scaledBy scales: Set.ByteScales
    ) where Block.Set == Set {
        prefetch(Block.self, codes)
        add(&block, codes, x, stride: stride, 0)
        add(&block, codes, x, stride: stride, 1)
        add(&block, codes, x, stride: stride, 2)
        add(&block, codes, x, stride: stride, 3)
        block.endNibbles(scaledBy: scales, x, stride: stride)
        block.beginNibbles()
        add(&block, codes, x, stride: stride, 4)
        add(&block, codes, x, stride: stride, 5)
        add(&block, codes, x, stride: stride, 6)
        add(&block, codes, x, stride: stride, 7)
    }

    /// The columns 4s to 4s + 3; `s` is a constant where this is inlined.
    @inlinable @inline(__always)
    static func add<Block: TokenBlock>(
        _ block: inout Block, _ codes: UnsafeRawPointer, _ x: UnsafePointer<QuantizedGroup>, stride: Int,
        _ s: Int
    ) where Block.Set == Set {
        let low = Set.loadFields(codes + s / 2 &* 64, first: s & 1 &* 4, mask: 15, place: 0)
        let high = Set.loadFields(codes + 256, first: s, mask: 1, place: 4)
        block.add(Set.join(low, high), times: x, stride: stride, s)
    }
}

/// Codes of `TensorEncoding.int3`.
public enum ThreeBits<Set: InstructionSet>: AffineGroupKernel {
    @inlinable @inline(__always) public static var byteCount: Int { 192 }

    @inlinable @inline(__always)
    public static func add<Block: TokenBlock>(
        _ block: inout Block, _ codes: UnsafeRawPointer, _ x: UnsafePointer<QuantizedGroup>, stride: Int,
        scaledBy scales: Set.ByteScales
    ) where Block.Set == Set {
        prefetch(Block.self, codes)
        add(&block, codes, x, stride: stride, 0)
        add(&block, codes, x, stride: stride, 1)
        add(&block, codes, x, stride: stride, 2)
        add(&block, codes, x, stride: stride, 3)
        add(&block, codes, x, stride: stride, 4)
        add(&block, codes, x, stride: stride, 5)
        add(&block, codes, x, stride: stride, 6)
        add(&block, codes, x, stride: stride, 7)
    }

    /// The columns 4s to 4s + 3; `s` is a constant where this is inlined.
    @inlinable @inline(__always)
    static func add<Block: TokenBlock>(
        _ block: inout Block, _ codes: UnsafeRawPointer, _ x: UnsafePointer<QuantizedGroup>, stride: Int,
        _ s: Int
    ) where Block.Set == Set {
        let low = Set.loadFields(codes + s / 4 &* 64, first: s & 3 &* 2, mask: 3, place: 0)
        let high = Set.loadFields(codes + 128, first: s, mask: 1, place: 2)
        block.add(Set.join(low, high), times: x, stride: stride, s)
    }
}

extension AffineGroupKernel {
    @inlinable @inline(__always)
    static func prefetch<Block: TokenBlock>(_: Block.Type, _ codes: UnsafeRawPointer)
    where Block.Set == Set {
        guard isMemoryBound(Block.self) else { return }
        var offset = 0
        while offset < byteCount {
            Set.prefetch(codes + (offset &+ prefetchDistance))
            offset &+= 64
        }
    }
}
