// SPDX-License-Identifier: Apache-2.0
// All rules of each specification, for tests that go through them.

import Formats

extension FormatRule {
    /// All rules of formats/activations.md.
    static let activations: [FormatRule] = [
        activationsFormat, activationsVersion, activationsModel, activationsShape, activationsPosition,
        activationsData, activationsShard, activationsRows, activationsLayers, activationsOtherTensor,
        activationsLabels, activationsSides, activationsTokens, activationsFinite, activationsSameModel,
        activationsSameData, activationsSamePosition, activationsSameLayers, activationsShards,
        activationsComplete,
    ]

    /// All rules of formats/bundle.md.
    static let bundle: [FormatRule] = [
        bundleSeal, bundleVersion, bundlePlaces, bundlePadding, bundleText, bundleField, bundleProgram,
    ]

    /// All rules of formats/gguf.md.
    static let gguf: [FormatRule] = [
        ggufMagic, ggufVersion, ggufTruncated, ggufMetadataCount, ggufTensorCount, ggufKey, ggufDuplicateKey,
        ggufValueType, ggufNestedArray, ggufStringLength, ggufArrayLength, ggufBool, ggufAlignment,
        ggufTensorName, ggufDuplicateTensor, ggufDimensionCount, ggufDimension, ggufTensorType, ggufRowBlocks,
        ggufTensorAlignment, ggufTensorBounds, ggufTensorOverlap,
    ]

    /// All rules of formats/safetensors.md.
    static let safetensors: [FormatRule] = [
        safetensorsHeaderLength, safetensorsHeaderLimit, safetensorsHeaderBounds, safetensorsHeaderStart,
        safetensorsHeaderText, safetensorsDuplicateKey, safetensorsMetadata, safetensorsTensorCount,
        safetensorsTensorFields, safetensorsTensorType, safetensorsShape, safetensorsDataOffsets,
        safetensorsTensorSize, safetensorsTensorOverlap, safetensorsHole, safetensorsDataEnd,
        safetensorsIndexText, safetensorsWeightMap, safetensorsShardName, safetensorsIndexAndShards,
    ]

    /// All rules of formats/session.md.
    static let session: [FormatRule] = [
        sessionMagic, sessionVersion, sessionSize, sessionDigest, sessionPadding, sessionText, sessionToken,
        sessionNumbers,
    ]

    /// All rules of formats/signature.md.
    static let signature: [FormatRule] = [
        signatureSize, signatureAlgorithm, signatureReserved, signatureName, signatureSections,
        signatureKeyFile, signatureValid, signatureSmallOrder,
    ]

    /// All rules of formats/tiller.md.
    static let tiller: [FormatRule] = [
        tillerMagic, tillerVersion, tillerFileKind, tillerFooter, tillerTablePlace, tillerTableDigest,
        tillerCoverage, tillerSectionKind, tillerSectionFlags, tillerSectionCount, tillerSectionSize,
        tillerSectionDigest, tillerPadding, tillerWeightsAlignment, tillerManifestText, tillerManifestField,
        tillerConfigurationField, tillerConfigurationRange, tillerIndexSize, tillerTensorRole,
        tillerTensorLayer, tillerTensorEncoding, tillerTensorSize, tillerTensorPlace, tillerDuplicateTensor,
        tillerMissingTensor, tillerUnexpectedTensor, tillerTensorShape, tillerChatTemplate,
        tillerProfileLayout, tillerProfileName, tillerDuplicateProfile, tillerProfileText,
        tillerProfileField, tillerProfileOperation, tillerProfileVectors, tillerProfileShape,
        tillerProfileSource, tillerCalibration, tillerHeadScaling, tillerProfileBasis,
    ]
}
