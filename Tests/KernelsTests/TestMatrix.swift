// SPDX-License-Identifier: Apache-2.0
// Random weights in every encoding, written straight from the layout's description, with their exact values.

import Kernels
import Platform
import Quantization
import TestSupport

/// A matrix in tiles and the same values as plain rows.
struct TestMatrix {
    let weights: WeightMatrix
    /// [rows × columns].
    let values: [Double]
    /// Bounds of what is added up for each weight, [rows × columns]; |values| where a weight is one number.
    let magnitudes: [Double]
    private let bytes: AlignedBuffer<UInt8>

    /// - extreme: largest codes everywhere instead of random ones.
    init(
        _ encoding: TensorEncoding, rows: Int, columns: Int, seed: UInt64 = 1, extreme: Bool = false,
        unitScales: Bool = false
    ) {
        var builder = TileBuilder(
            rows: rows, columns: columns, extreme: extreme, unitScales: unitScales, seed: seed)
        switch encoding {
        case .vector: preconditionFailure("a vector has no tiles")
        case .float32: builder.buildFloats { value, bytes in withUnsafeBytes(of: value) { bytes += $0 } }
        case .float16:
            builder.buildFloats { value, bytes in
                withUnsafeBytes(of: Float16(value).bitPattern) { bytes += $0 }
                value = Float(Float16(value))
            }
        case .int8: builder.buildInt8()
        case .int5: builder.buildAffine(bitCount: 5)
        case .int4: builder.buildAffine(bitCount: 4)
        case .int3: builder.buildAffine(bitCount: 3)
        }
        bytes = granted(try AlignedBuffer(count: builder.bytes.count))
        for (i, byte) in builder.bytes.enumerated() { bytes[i] = byte }
        values = builder.values
        magnitudes = builder.magnitudes
        weights = WeightMatrix(
            encoding: encoding, rows: rows, columns: columns, bytes: UnsafeRawBufferPointer(bytes.elements))
    }
}

/// Appends tile after tile.
private struct TileBuilder {
    let rows: Int, columns: Int, extreme: Bool, unitScales: Bool
    var random: SeededGenerator
    var bytes: [UInt8] = []
    var values: [Double]
    var magnitudes: [Double]

    init(rows: Int, columns: Int, extreme: Bool, unitScales: Bool, seed: UInt64) {
        self.rows = rows
        self.columns = columns
        self.extreme = extreme
        self.unitScales = unitScales
        random = SeededGenerator(seed: seed)
        values = Array(repeating: 0, count: rows * columns)
        magnitudes = values
    }

    private var tileCount: Int { (rows + 15) / 16 }

    /// Keeps a weight and its magnitude, unless the row is padding.
    private mutating func keep(_ row: Int, _ column: Int, _ value: Double, _ magnitude: Double) {
        guard row < rows else { return }
        values[row * columns + column] = value
        magnitudes[row * columns + column] = magnitude
    }

    mutating func buildFloats(_ append: (inout Float, inout [UInt8]) -> Void) {
        for tile in 0..<tileCount {
            for column in 0..<columns {
                for lane in 0..<16 {
                    let row = tile * 16 + lane
                    var value = row < rows ? random.nextNormal() : 0
                    append(&value, &bytes)
                    keep(row, column, Double(value), abs(Double(value)))
                }
            }
        }
    }

    private mutating func appendRowScales() -> [Float] {
        // bfloat16: the upper half of a Float32.
        let halves = (0..<16).map { _ in
            UInt16(
                truncatingIfNeeded: (unitScales ? 1 : Float.random(in: 1e-5...2e-4, using: &random))
                    .bitPattern >> 16)
        }
        for half in halves { withUnsafeBytes(of: half) { bytes += $0 } }
        return halves.map { Float(bitPattern: UInt32($0) << 16) }
    }

    private mutating func code(_ range: ClosedRange<UInt8>) -> UInt8 {
        extreme ? range.upperBound : UInt8.random(in: range, using: &random)
    }

    mutating func buildInt8() {
        let groups = columns / 32
        for tile in 0..<tileCount {
            let rowScales = appendRowScales()
            let scales = (0..<groups * 16).map { _ in unitScales ? 1 : code(0...255) }
            bytes +=
                scales + Array(repeating: 0, count: (32 + groups * 16).roundedUp(to: 64) - 32 - groups * 16)
            for g in 0..<groups {
                for j in 0..<8 {
                    for lane in 0..<16 {
                        for i in 0..<4 {
                            let q = code(1...255)
                            bytes.append(q)
                            let w =
                                Double(rowScales[lane]) * Double(scales[g * 16 + lane]) * (Double(q) - 128)
                            keep(tile * 16 + lane, g * 32 + 4 * j + i, w, abs(w))
                        }
                    }
                }
            }
        }
    }

    /// Codes column by column, then their bits: fields of 2 or 4, and the bit above them in 64 bytes of its own.
    mutating func buildAffine(bitCount: Int) {
        let groups = columns / 32
        let width = bitCount == 3 ? 2 : 4
        for tile in 0..<tileCount {
            let rowScales = appendRowScales(), rowMinima = appendRowScales()
            let scales = (0..<groups * 32).map { _ in unitScales ? 1 : code(0...255) }
            bytes +=
                scales + Array(repeating: 0, count: (64 + groups * 32).roundedUp(to: 64) - 64 - groups * 32)
            for g in 0..<groups {
                var packed = [UInt8](repeating: 0, count: bitCount * 64)
                for lane in 0..<16 {
                    let scale = Double(rowScales[lane]) * Double(scales[g * 32 + lane])
                    let minimum = Double(rowMinima[lane]) * Double(scales[g * 32 + 16 + lane])
                    for column in 0..<32 {
                        let q = code(0...UInt8(1 << bitCount - 1))
                        let byte = lane * 4 + column % 4, quad = column / 4
                        packed[quad * width / 8 * 64 + byte] |=
                            (q & UInt8(1 << width - 1)) << UInt8(quad * width % 8)
                        if bitCount > width {
                            packed[width * 64 + byte] |= (q >> UInt8(width)) << UInt8(quad)
                        }
                        let w = scale * Double(q)
                        keep(tile * 16 + lane, g * 32 + column, w - minimum, w + minimum)
                    }
                }
                bytes += packed
            }
        }
    }
}

/// Random activations.
func randomActivations(tokens: Int, columns: Int, seed: UInt64 = 2) -> Activations {
    var random = SeededGenerator(seed: seed)
    let x = granted(try Activations(capacity: tokens, columns: columns))
    for i in 0..<tokens * columns { x.values[i] = random.nextNormal() }
    return x
}

func randomBuffer(_ count: Int, seed: UInt64, scale: Float = 1) -> AlignedBuffer<Float> {
    var random = SeededGenerator(seed: seed)
    let x = granted(try AlignedBuffer<Float>(count: count))
    for i in 0..<count { x[i] = scale * random.nextNormal() }
    return x
}

func buffer(_ values: [Float]) -> AlignedBuffer<Float> {
    let x = granted(try AlignedBuffer<Float>(count: values.count))
    for (i, value) in values.enumerated() { x[i] = value }
    return x
}

extension AlignedBuffer where Element == Float {
    /// Bit patterns of the first elements, to compare results exactly.
    func bits(_ count: Int) -> [UInt32] { (0..<count).map { self[$0].bitPattern } }
}

/// Half a unit in the last place of 1: the error of one rounding.
let roundoff = 0x1p-24

/// Whether two batches have the same 8-bit form.
func sameCodes(_ a: Activations, _ b: Activations, tokens: Int) -> Bool {
    (0..<tokens).allSatisfy { t in
        (0..<a.columns).allSatisfy {
            a.quantized(token: t, column: $0) == b.quantized(token: t, column: $0)
        }
    }
}
