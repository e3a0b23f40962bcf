// SPDX-License-Identifier: Apache-2.0
// The tensor types of GGUF files that can be read: raw ids, block sizes, and names for error messages.

/// A tensor type of ggml that `dequantize` understands; raw values are those of GGUF tensor records.
package enum GGMLType: UInt32, Sendable, CaseIterable {
    case f32 = 0
    case f16 = 1
    case q4_0 = 2
    case q4_1 = 3
    case q5_0 = 6
    case q5_1 = 7
    case q8_0 = 8
    case q2_K = 10
    case q3_K = 11
    case q4_K = 12
    case q5_K = 13
    case q6_K = 14
    case iq2_XXS = 16
    case iq2_XS = 17
    case iq3_XXS = 18
    case iq1_S = 19
    case iq4_NL = 20
    case iq3_S = 21
    case iq2_S = 22
    case iq4_XS = 23
    case iq1_M = 29
    case bf16 = 30
    case tq1_0 = 34
    case tq2_0 = 35
    case mxfp4 = 39
    case nvfp4 = 40
    case q1_0 = 41
    case q2_0 = 42

    /// Consecutive elements of one row that are stored together.
    package var blockSize: Int {
        switch self {
        case .f32, .f16, .bf16: 1
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_NL, .mxfp4: 32
        case .nvfp4, .q2_0: 64
        case .q1_0: 128
        default: 256
        }
    }

    /// Bytes of one block.
    package var blockByteCount: Int {
        switch self {
        case .f32: 4
        case .f16, .bf16: 2
        case .q4_0: 2 + 16
        case .q4_1: 4 + 16
        case .q5_0: 2 + 4 + 16
        case .q5_1: 4 + 4 + 16
        case .q8_0: 2 + 32
        case .q2_K: 16 + 64 + 4
        case .q3_K: 32 + 64 + 12 + 2
        case .q4_K: 4 + 12 + 128
        case .q5_K: 4 + 12 + 32 + 128
        case .q6_K: 128 + 64 + 16 + 2
        case .iq1_S: 2 + 32 + 16
        case .iq1_M: 32 + 16 + 8
        case .iq2_XXS: 2 + 64
        case .iq2_XS: 2 + 64 + 8
        case .iq2_S: 2 + 32 + 32 + 8 + 8
        case .iq3_XXS: 2 + 64 + 32
        case .iq3_S: 2 + 64 + 8 + 32 + 4
        case .iq4_NL: 2 + 16
        case .iq4_XS: 2 + 2 + 4 + 128
        case .tq1_0: 48 + 4 + 2
        case .tq2_0: 64 + 2
        case .mxfp4: 1 + 16
        case .nvfp4: 4 + 32
        case .q1_0, .q2_0: 2 + 16
        }
    }

    /// Bytes of `elements` elements, or nil when they do not fill whole blocks, are negative, or the size overflows.
    package func byteCount(elements: Int) -> Int? {
        guard elements >= 0, elements % blockSize == 0 else { return nil }
        let (bytes, overflow) = (elements / blockSize).multipliedReportingOverflow(by: blockByteCount)
        return overflow ? nil : bytes
    }

    /// ggml's own name, as in "Q4_K".
    package var name: String { Self.names[rawValue] ?? "type \(rawValue)" }

    /// ggml's name of a raw id, whether or not its type is readable; nil if the id is unknown.
    package static func name(ofRawValue rawValue: UInt32) -> String? { names[rawValue] }

    private static let names: [UInt32: String] = [
        0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 4: "Q4_2 (withdrawn)", 5: "Q4_3 (withdrawn)", 6: "Q5_0",
        7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K",
        15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S",
        22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M",
        30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0", 42: "Q2_0",
    ]
}
