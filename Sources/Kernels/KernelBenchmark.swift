// SPDX-License-Identifier: Apache-2.0
// The speed of the kernels on this machine: decoding is bound by the speed of reading weights, a prompt by that of
// multiplication.

import KernelCore
import Platform
import Quantization

/// Speeds of one kernel set on a number of threads.
package struct KernelBenchmark: Sendable {
    /// Plain reading of memory, GB/s: the upper bound of a matrix × vector product.
    package let readBandwidth: Double
    /// Matrix × vector with weights in memory, GB/s of weights.
    package let int8VectorBandwidth: Double
    package let int4VectorBandwidth: Double
    /// Matrix [2048 × columns] × 512 tokens, 10⁹ multiply-adds per second.
    package let int8MatrixRate: Double
    package let int4MatrixRate: Double

    /// Measures the speeds; takes about two seconds, and up to 384 MB.
    /// - columns: Columns of the matrices; a multiple of 32.
    /// - Throws: `AllocationError`.
    /// - Precondition: `threadCount` is positive, `columns` a positive multiple of 32.
    package init(kernels: KernelSet, threadCount: Int, columns: Int = 2048) throws(AllocationError) {
        precondition(columns > 0 && columns % groupColumns == 0, "KernelBenchmark: columns in groups of 32")
        let compute = try Compute(kernels: kernels, threadCount: threadCount)
        // The buffer is larger than the last-level cache of most processors.
        let memory = try AlignedBuffer<UInt32>(count: 32 << 20)
        compute.pool.run { thread in
            // Every byte is in 0x10...0x3F: these are ordinary numbers in any encoding.
            for i in Platform.split(memory.count, thread: thread, of: threadCount) {
                memory.baseAddress[i] = 0x1020_3021 &+ UInt32(truncatingIfNeeded: i &* 0x9E37) & 0x0F0F_0F0F
            }
        }
        let x = try Activations(capacity: 512, columns: columns)
        for i in 0..<x.values.count { x.values.baseAddress[i] = Float((i &* 7919) % 255 - 127) }
        compute.forTokens(512, elementCount: x.columns) { $0.quantize(x) }

        let unread = try compute.makeMemoryToRead()
        let readSeconds = Self.fastest(of: 7) { compute.read(unread) }
        readBandwidth = Double(unread.count * 4) / 1e9 / readSeconds
        func vectorBandwidth(_ encoding: TensorEncoding) throws(AllocationError) -> Double {
            let tile = encoding.tileByteCount(columns: columns) ?? 1
            let rows = memory.count * 4 / tile * laneCount
            let matrix = Self.matrix(encoding, rows: rows, columns: columns, memory)
            let output = try AlignedBuffer<Float>(count: rows)
            let seconds = Self.fastest(of: 5) {
                compute.multiply(Projection(matrix, into: output), by: x, tokenCount: 1)
            }
            return Double(rows / laneCount * tile) / 1e9 / seconds
        }
        func matrixRate(_ encoding: TensorEncoding) throws(AllocationError) -> Double {
            let matrix = Self.matrix(encoding, rows: 2048, columns: columns, memory)
            let output = try AlignedBuffer<Float>(count: 512 * 2048)
            let seconds = Self.fastest(of: 5) {
                compute.multiply(Projection(matrix, into: output), by: x, tokenCount: 512)
            }
            return Double(512 * 2048 * columns) / 1e9 / seconds
        }
        int8VectorBandwidth = try vectorBandwidth(.int8)
        int4VectorBandwidth = try vectorBandwidth(.int4)
        int8MatrixRate = try matrixRate(.int8)
        int4MatrixRate = try matrixRate(.int4)
    }

    private static func matrix(
        _ encoding: TensorEncoding, rows: Int, columns: Int, _ memory: AlignedBuffer<UInt32>
    ) -> WeightMatrix {
        let bytes = UnsafeRawBufferPointer(
            start: memory.baseAddress, count: encoding.byteCount(rows: rows, columns: columns) ?? 0)
        precondition(bytes.count <= memory.count * 4, "KernelBenchmark: too many columns")
        return WeightMatrix(encoding: encoding, rows: rows, columns: columns, bytes: bytes)
    }

    /// Seconds of the fastest of several runs.
    static func fastest(of count: Int, _ body: () -> Void) -> Double {
        var best = Double.infinity
        for _ in 0..<count {
            let start = MonotonicClock.now()
            body()
            best = min(best, MonotonicClock.now() - start)
        }
        return best
    }
}

extension Compute {
    /// 256 MB, more than any cache holds, written once; `readBandwidth` reads it.
    /// - Throws: `AllocationError`.
    package func makeMemoryToRead() throws(AllocationError) -> AlignedBuffer<UInt32> {
        let memory = try AlignedBuffer<UInt32>(count: 64 << 20)
        pool.run { thread in
            for i in Platform.split(memory.count, thread: thread, of: threadCount) {
                memory.baseAddress[i] = 0x1020_3021
            }
        }
        return memory
    }

    /// Bytes per second of plain reading on all threads, averaged over at least `seconds`. Other programs reduce it, as they
    /// reduce the speed of any work of that length.
    package func readBandwidth(_ memory: AlignedBuffer<UInt32>, seconds: Double) -> Double {
        let start = MonotonicClock.now()
        var (byteCount, elapsed) = (0, 0.0)
        repeat {
            read(memory)
            byteCount += memory.count * 4
            elapsed = MonotonicClock.now() - start
        } while elapsed < seconds
        return Double(byteCount) / elapsed
    }

    /// Reads memory and does almost nothing with it.
    fileprivate func read(_ memory: AlignedBuffer<UInt32>) {
        memory.baseAddress.withMemoryRebound(to: Float.self, capacity: memory.count) { start in
            pool.run { thread in
                let part = Platform.split(memory.count, thread: thread, of: threadCount, granularity: 1024)
                _ = table.largest(start + part.lowerBound, part.count)
            }
        }
    }
}
