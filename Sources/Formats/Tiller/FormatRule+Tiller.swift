// SPDX-License-Identifier: Apache-2.0
// The rules of formats/tiller.md, by number.

extension FormatRule {
    private init(tiller number: Int, _ title: String) {
        self.init(document: "tiller.md", number: number, title: title)
    }

    // The container
    package static let tillerMagic = Self(tiller: 1, "magic")
    package static let tillerVersion = Self(tiller: 2, "version")
    package static let tillerFileKind = Self(tiller: 3, "file kind")
    package static let tillerFooter = Self(tiller: 4, "footer")
    package static let tillerTablePlace = Self(tiller: 5, "place of the table of contents")
    package static let tillerTableDigest = Self(tiller: 6, "digest of the table of contents")
    package static let tillerCoverage = Self(tiller: 7, "section places")
    package static let tillerSectionKind = Self(tiller: 8, "section kind")
    package static let tillerSectionFlags = Self(tiller: 9, "section flags")
    package static let tillerSectionCount = Self(tiller: 10, "section count")
    package static let tillerSectionSize = Self(tiller: 11, "section size")
    package static let tillerSectionDigest = Self(tiller: 12, "section digest")
    package static let tillerPadding = Self(tiller: 13, "padding")
    package static let tillerWeightsAlignment = Self(tiller: 14, "weights alignment")
    // The manifest
    package static let tillerManifestText = Self(tiller: 15, "manifest text")
    package static let tillerManifestField = Self(tiller: 16, "manifest field")
    package static let tillerConfigurationField = Self(tiller: 17, "configuration field")
    package static let tillerConfigurationRange = Self(tiller: 18, "configuration range")
    // The tensor index
    package static let tillerIndexSize = Self(tiller: 19, "tensor index size")
    package static let tillerTensorRole = Self(tiller: 20, "tensor role")
    package static let tillerTensorLayer = Self(tiller: 21, "tensor layer")
    package static let tillerTensorEncoding = Self(tiller: 22, "tensor encoding")
    package static let tillerTensorSize = Self(tiller: 23, "tensor size")
    package static let tillerTensorPlace = Self(tiller: 24, "tensor place")
    package static let tillerDuplicateTensor = Self(tiller: 25, "duplicate tensor")
    package static let tillerMissingTensor = Self(tiller: 26, "missing tensor")
    package static let tillerUnexpectedTensor = Self(tiller: 27, "unexpected tensor")
    package static let tillerTensorShape = Self(tiller: 28, "tensor shape")
    // Text and profiles
    package static let tillerChatTemplate = Self(tiller: 29, "chat template text")
    package static let tillerProfileLayout = Self(tiller: 30, "profile layout")
    package static let tillerProfileName = Self(tiller: 31, "profile name")
    package static let tillerDuplicateProfile = Self(tiller: 32, "duplicate profile")
    package static let tillerProfileText = Self(tiller: 33, "profile text")
    package static let tillerProfileField = Self(tiller: 34, "profile field")
    package static let tillerProfileOperation = Self(tiller: 35, "profile operation")
    package static let tillerProfileVectors = Self(tiller: 36, "profile vectors")
    package static let tillerProfileShape = Self(tiller: 37, "profile fits the model's shape")
    package static let tillerProfileSource = Self(tiller: 38, "profile fits the model's source")
    package static let tillerCalibration = Self(tiller: 39, "calibration statistics")
    package static let tillerHeadScaling = Self(tiller: 40, "head scaling")
    package static let tillerProfileBasis = Self(tiller: 41, "profile fits the heads' basis")
}
