// SPDX-License-Identifier: Apache-2.0
// The rules of formats/safetensors.md, by number.

extension FormatRule {
    private init(safetensors number: Int, _ title: String) {
        self.init(document: "safetensors.md", number: number, title: title)
    }

    package static let safetensorsHeaderLength = Self(safetensors: 1, "header length")
    package static let safetensorsHeaderLimit = Self(safetensors: 2, "header limit")
    package static let safetensorsHeaderBounds = Self(safetensors: 3, "header inside the file")
    package static let safetensorsHeaderStart = Self(safetensors: 4, "header start")
    package static let safetensorsHeaderText = Self(safetensors: 5, "header text")
    package static let safetensorsDuplicateKey = Self(safetensors: 6, "duplicate key")
    package static let safetensorsMetadata = Self(safetensors: 7, "metadata")
    package static let safetensorsTensorCount = Self(safetensors: 8, "tensor count")
    package static let safetensorsTensorFields = Self(safetensors: 9, "tensor fields")
    package static let safetensorsTensorType = Self(safetensors: 10, "tensor type")
    package static let safetensorsShape = Self(safetensors: 11, "shape")
    package static let safetensorsDataOffsets = Self(safetensors: 12, "data offsets")
    package static let safetensorsTensorSize = Self(safetensors: 13, "tensor size")
    package static let safetensorsTensorOverlap = Self(safetensors: 14, "tensor overlap")
    package static let safetensorsHole = Self(safetensors: 15, "hole")
    package static let safetensorsDataEnd = Self(safetensors: 16, "end of the data")
    package static let safetensorsIndexText = Self(safetensors: 17, "index text")
    package static let safetensorsWeightMap = Self(safetensors: 18, "weight map")
    package static let safetensorsShardName = Self(safetensors: 19, "shard name")
    package static let safetensorsIndexAndShards = Self(safetensors: 20, "index and shards")
}
