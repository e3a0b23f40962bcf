// SPDX-License-Identifier: Apache-2.0
// The rules of formats/gguf.md, by number.

extension FormatRule {
    private init(gguf number: Int, _ title: String) {
        self.init(document: "gguf.md", number: number, title: title)
    }

    package static let ggufMagic = Self(gguf: 1, "magic")
    package static let ggufVersion = Self(gguf: 2, "version and byte order")
    package static let ggufTruncated = Self(gguf: 3, "truncated")
    package static let ggufMetadataCount = Self(gguf: 4, "metadata count")
    package static let ggufTensorCount = Self(gguf: 5, "tensor count")
    package static let ggufKey = Self(gguf: 6, "key")
    package static let ggufDuplicateKey = Self(gguf: 7, "duplicate key")
    package static let ggufValueType = Self(gguf: 8, "value type")
    package static let ggufNestedArray = Self(gguf: 9, "nested array")
    package static let ggufStringLength = Self(gguf: 10, "string length")
    package static let ggufArrayLength = Self(gguf: 11, "array length")
    package static let ggufBool = Self(gguf: 12, "bool value")
    package static let ggufAlignment = Self(gguf: 13, "alignment")
    package static let ggufTensorName = Self(gguf: 14, "tensor name")
    package static let ggufDuplicateTensor = Self(gguf: 15, "duplicate tensor")
    package static let ggufDimensionCount = Self(gguf: 16, "dimension count")
    package static let ggufDimension = Self(gguf: 17, "dimension")
    package static let ggufTensorType = Self(gguf: 18, "tensor type")
    package static let ggufRowBlocks = Self(gguf: 19, "whole blocks in a row")
    package static let ggufTensorAlignment = Self(gguf: 20, "tensor alignment")
    package static let ggufTensorBounds = Self(gguf: 21, "tensor inside the file")
    package static let ggufTensorOverlap = Self(gguf: 22, "tensor overlap")
}
