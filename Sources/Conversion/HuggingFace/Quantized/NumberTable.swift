// SPDX-License-Identifier: Apache-2.0
// The numbers that a quantized matrix consists of - codes, scales, zero points - read row by row as Float32, whatever they are
// stored as.

import Formats
import Quantization

/// Numbers in rows and columns, each exactly representable in Float32.
struct NumberTable: Sendable {
    enum Storage: Sendable {
        /// Row-major or, if `byColumns`, column-major streams; the offset is subtracted.
        case packed(PackedIntegers, byColumns: Bool, offset: Int)
        case int8(ByteView)
        case float8(ByteView)
        case floats(FloatType, ByteView)
    }

    /// The types of scales.
    enum FloatType: Sendable {
        case float16, bfloat16, float32

        init?(_ type: SafetensorsType) {
            switch type {
            case .f16: self = .float16
            case .bf16: self = .bfloat16
            case .f32: self = .float32
            default: return nil
            }
        }

        /// The nearest number of this type.
        @inline(__always)
        func rounded(_ value: Float) -> Float {
            switch self {
            case .float16: Float16Bits.float(Float16Bits.bits(value))
            case .bfloat16: Float16Bits.float(brain: Float16Bits.brainBits(value))
            case .float32: value
            }
        }
    }

    let storage: Storage
    /// Elements from one row to the next; without meaning for packed integers.
    var rowStride = 0
    /// Elements from one column to the next; without meaning for packed integers.
    var columnStride = 1

    /// Reads the first `count` numbers of a row.
    ///
    /// - Parameter output: [count], written.
    /// - Precondition: the table has them.
    func read(row: Int, count: Int, into output: UnsafeMutablePointer<Float>) {
        func fill(_ number: (Int) -> Float) {
            let first = row * rowStride
            for column in 0..<count { output[column] = number(first + column * columnStride) }
        }
        switch storage {
        case .packed(let integers, let byColumns, let offset):
            for column in 0..<count {
                let integer = byColumns ? integers[column, row] : integers[row, column]
                output[column] = Float(integer - offset)
            }
        case .int8(let bytes): fill { Float(Int8(bitPattern: bytes[$0])) }
        case .float8(let bytes):
            Float8Bits.e4m3.withUnsafeBufferPointer { values in fill { values[Int(bytes[$0])] } }
        case .floats(.float16, let bytes):
            fill { Float16Bits.float(bytes.load(UInt16.self, at: 2 * $0)) }
        case .floats(.bfloat16, let bytes):
            fill { Float16Bits.float(brain: bytes.load(UInt16.self, at: 2 * $0)) }
        case .floats(.float32, let bytes):
            fill { Float(bitPattern: bytes.load(UInt32.self, at: 4 * $0)) }
        }
    }
}
