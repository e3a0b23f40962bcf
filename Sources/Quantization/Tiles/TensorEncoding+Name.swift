// SPDX-License-Identifier: Apache-2.0
// Encodings by name.

extension TensorEncoding {
    /// The name that commands and files use.
    package var name: String {
        switch self {
        case .vector: "f32"
        case .float32: "f32"
        case .float16: "f16"
        case .int8: "int8"
        case .int5: "int5"
        case .int4: "int4"
        case .int3: "int3"
        }
    }

    /// The matrix encoding of a name.
    package init?(name: String) {
        guard let encoding = Self.allCases.first(where: { $0 != .vector && $0.name == name }) else {
            return nil
        }
        self = encoding
    }
}
