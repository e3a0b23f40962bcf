// SPDX-License-Identifier: Apache-2.0
// The searches for scales work on eight rows at once, one in each SIMD lane: every row gets the same
// steps, sums need no reduction across lanes, and choices are selections instead of branches.

/// One value for each of eight rows.
typealias Float8 = SIMD8<Float>

@inline(__always)
func lower(_ a: Float8, _ b: Float8) -> Float8 { a.replacing(with: b, where: b .< a) }

@inline(__always)
func upper(_ a: Float8, _ b: Float8) -> Float8 { a.replacing(with: b, where: a .< b) }

/// The nearest integers, ties to even, for |a| < 2^22: beyond 2^23 a Float has no fraction bits left.
@inline(__always)
func nearest(_ a: Float8) -> Float8 { (a + 12_582_912) - 12_582_912 }

/// 1 / a for positive a, else 0: a scale of zero then makes every code zero.
@inline(__always)
func inverseOrZero(_ a: Float8) -> Float8 {
    let isPositive = a .> 0
    return (1 / Float8(repeating: 1).replacing(with: a, where: isPositive))
        .replacing(with: 0, where: .!isPositive)
}

/// Writes integers 0…255 as bytes that are `stride` apart.
@inline(__always)
func storeIntegers(_ a: Float8, to bytes: UnsafeMutablePointer<UInt8>, stride: Int) {
    // A sum with 1.5 · 2^23 carries the integer in the low bits of its pattern.
    let sum = a + 12_582_912
    for lane in 0..<Float8.scalarCount {
        bytes[lane &* stride] = UInt8(truncatingIfNeeded: sum[lane].bitPattern)
    }
}

/// Eight rows of a tile, transposed. Each is multiplied by a power of two that brings its largest magnitude
/// near 1, so that no square overflows or underflows.
struct LaneRows: ~Copyable {
    /// [columns]: the eight rows' values of each column.
    let values: UnsafeMutablePointer<Float8>
    /// The powers of two: row · scaling = lane.
    private(set) var scaling: Float8
    /// Their inverses.
    private(set) var unscaling: Float8

    /// Takes rows [rowCount × columns], clamped to ±limit; missing rows of the eight are zero.
    init(rows: UnsafePointer<Float>, rowCount: Int, columns: Int, limit: Float) {
        values = .allocate(capacity: columns)
        values.initialize(repeating: Float8(), count: columns)
        scaling = Float8(repeating: 1)
        unscaling = Float8(repeating: 1)
        for lane in 0..<rowCount {
            let row = rows + lane &* columns
            var largest: Float = 0
            for column in 0..<columns { largest = max(largest, abs(row[column])) }
            // The limits keep both powers normal numbers.
            let exponent = largest == 0 ? 0 : max(-120, min(126, Int(largest.exponent)))
            let factor = Float(sign: .plus, exponent: -exponent, significand: 1)
            scaling[lane] = factor
            unscaling[lane] = Float(sign: .plus, exponent: exponent, significand: 1)
            let lanes = UnsafeMutableRawPointer(values).assumingMemoryBound(to: Float.self) + lane
            for column in 0..<columns {
                lanes[column &* 8] = max(-limit, min(limit, row[column])) * factor
            }
        }
    }

    deinit { values.deallocate() }
}
