// SPDX-License-Identifier: Apache-2.0
// Blocks to Float32. Each value is computed with ggml's operations in ggml's order and without fused
// multiply-add, so that the result is the same to the last bit.

extension GGMLType {
    /// Writes `count` values of this type's blocks as Float32.
    ///
    /// - Parameters:
    ///   - source: `byteCount(elements: count)` bytes on any alignment.
    ///   - count: Elements, whole blocks.
    ///   - destination: [count]; must not overlap `source`.
    /// - Precondition: `count` is a non-negative multiple of `blockSize`.
    package func dequantize(
        _ source: UnsafeRawPointer, count: Int, into destination: UnsafeMutablePointer<Float>
    ) {
        precondition(
            count >= 0 && count % blockSize == 0, "dequantize: \(count) is not whole blocks of \(name)")
        switch self {
        case .f32: UnsafeMutableRawPointer(destination).copyMemory(from: source, byteCount: count * 4)
        case .f16: convert(source, count, destination) { Float16Bits.float($0) }
        case .bf16: convert(source, count, destination) { Float16Bits.float(brain: $0) }
        case .q4_0: forEachBlock(source, count, destination, Blocks32.dequantizeQ4_0)
        case .q4_1: forEachBlock(source, count, destination, Blocks32.dequantizeQ4_1)
        case .q5_0: forEachBlock(source, count, destination, Blocks32.dequantizeQ5_0)
        case .q5_1: forEachBlock(source, count, destination, Blocks32.dequantizeQ5_1)
        case .q8_0: forEachBlock(source, count, destination, Blocks32.dequantizeQ8_0)
        case .q2_K: forEachBlock(source, count, destination, Blocks256.dequantizeQ2_K)
        case .q3_K: forEachBlock(source, count, destination, Blocks256.dequantizeQ3_K)
        case .q4_K: forEachBlock(source, count, destination, Blocks256.dequantizeQ4_K)
        case .q5_K: forEachBlock(source, count, destination, Blocks256.dequantizeQ5_K)
        case .q6_K: forEachBlock(source, count, destination, Blocks256.dequantizeQ6_K)
        case .iq1_S: forEachBlock(source, count, destination, GridBlocks.dequantizeIQ1_S)
        case .iq1_M: forEachBlock(source, count, destination, GridBlocks.dequantizeIQ1_M)
        case .iq2_XXS: forEachBlock(source, count, destination, GridBlocks.dequantizeIQ2_XXS)
        case .iq2_XS: forEachBlock(source, count, destination, GridBlocks.dequantizeIQ2_XS)
        case .iq2_S: forEachBlock(source, count, destination, GridBlocks.dequantizeIQ2_S)
        case .iq3_XXS: forEachBlock(source, count, destination, GridBlocks.dequantizeIQ3_XXS)
        case .iq3_S: forEachBlock(source, count, destination, GridBlocks.dequantizeIQ3_S)
        case .iq4_NL: forEachBlock(source, count, destination, CodebookBlocks.dequantizeIQ4_NL)
        case .iq4_XS: forEachBlock(source, count, destination, CodebookBlocks.dequantizeIQ4_XS)
        case .mxfp4: forEachBlock(source, count, destination, CodebookBlocks.dequantizeMXFP4)
        case .nvfp4: forEachBlock(source, count, destination, CodebookBlocks.dequantizeNVFP4)
        case .tq1_0: forEachBlock(source, count, destination, TernaryBlocks.dequantizeTQ1_0)
        case .tq2_0: forEachBlock(source, count, destination, TernaryBlocks.dequantizeTQ2_0)
        case .q1_0: forEachBlock(source, count, destination, TernaryBlocks.dequantizeQ1_0)
        case .q2_0: forEachBlock(source, count, destination, TernaryBlocks.dequantizeQ2_0)
        }
    }

    @inline(__always)
    private func convert(
        _ source: UnsafeRawPointer, _ count: Int, _ destination: UnsafeMutablePointer<Float>,
        _ value: (UInt16) -> Float
    ) {
        for i in 0..<count {
            destination[i] = value(
                UInt16(littleEndian: source.loadUnaligned(fromByteOffset: i &* 2, as: UInt16.self)))
        }
    }

    @inline(__always)
    private func forEachBlock(
        _ source: UnsafeRawPointer, _ count: Int, _ destination: UnsafeMutablePointer<Float>,
        _ dequantizeBlock: (UnsafePointer<UInt8>, UnsafeMutablePointer<Float>) -> Void
    ) {
        // Bytes have no alignment, so reading every field of a block as bytes is always safe.
        var block = source.assumingMemoryBound(to: UInt8.self)
        var output = destination
        let blockByteCount = blockByteCount
        let blockSize = blockSize
        for _ in 0..<(count / blockSize) {
            dequantizeBlock(block, output)
            block += blockByteCount
            output += blockSize
        }
    }
}

/// A little-endian binary16 on any alignment.
@inline(__always)
func loadHalf(_ bytes: UnsafePointer<UInt8>) -> Float {
    Float16Bits.float(UInt16(bytes[0]) | UInt16(bytes[1]) << 8)
}

/// A little-endian UInt32 on any alignment.
@inline(__always)
func loadWord(_ bytes: UnsafePointer<UInt8>) -> UInt32 {
    UInt32(littleEndian: UnsafeRawPointer(bytes).loadUnaligned(as: UInt32.self))
}
