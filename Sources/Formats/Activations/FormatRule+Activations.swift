// SPDX-License-Identifier: Apache-2.0
// The rules of formats/activations.md, by number.

extension FormatRule {
    private init(activations number: Int, _ title: String) {
        self.init(document: "activations.md", number: number, title: title)
    }

    package static let activationsFormat = Self(activations: 1, "format")
    package static let activationsVersion = Self(activations: 2, "version")
    package static let activationsModel = Self(activations: 3, "model")
    package static let activationsShape = Self(activations: 4, "shape of the model")
    package static let activationsPosition = Self(activations: 5, "position rule")
    package static let activationsData = Self(activations: 6, "data")
    package static let activationsShard = Self(activations: 7, "shard")
    package static let activationsRows = Self(activations: 8, "row tensors")
    package static let activationsLayers = Self(activations: 9, "layer tensors")
    package static let activationsOtherTensor = Self(activations: 10, "other tensor")
    package static let activationsLabels = Self(activations: 11, "labels and numbers")
    package static let activationsSides = Self(activations: 12, "sides of pairs")
    package static let activationsTokens = Self(activations: 13, "token counts")
    package static let activationsFinite = Self(activations: 14, "finite numbers")
    package static let activationsSameModel = Self(activations: 15, "one model")
    package static let activationsSameData = Self(activations: 16, "one set of data")
    package static let activationsSamePosition = Self(activations: 17, "one position rule")
    package static let activationsSameLayers = Self(activations: 18, "the same layers")
    package static let activationsShards = Self(activations: 19, "shards that make a whole")
    package static let activationsComplete = Self(activations: 20, "rows that make the data")
}
