// SPDX-License-Identifier: Apache-2.0
// How much memory a model will need, before it is loaded.

import Formats
import JSON
import Kernels
import Quantization
import Transformer

/// Bytes that become resident when a context is filled to its end.
package struct MemoryPrediction: Sendable {
    /// What is mapped of the file; clean pages that the system may take back.
    package let file: Int
    package let cache: Int
    package let scratch: Int
    /// Code, stacks and the C library, measured on Linux for x86-64.
    package let program = 13_500_000

    package var total: Int { file + cache + scratch + program }

    /// - Parameters:
    ///   - cache: what was asked for; nil takes the model's usual one.
    ///   - residentWeights: see `Engine.Options`.
    package init(
        file: TillerFile, contextLength: Int, cache wanted: Engine.CacheType? = nil,
        residentWeights: Int? = nil
    ) {
        let configuration = file.manifest.configuration
        let isFloat = file.tensorIndex[.query, 0]?.encoding == .float32
        let hasGroups = configuration.headSize % TensorEncoding.groupSize == 0
        let encoding: CacheEncoding =
            switch wanted {
            case .float32: .float32
            case .float16: .float16
            case .int8: hasGroups ? .int8 : .float16
            case nil: isFloat ? .float32 : hasGroups ? .int8 : .float16
            }
        let weights = file.weights.count
        self.file = file.byteCount - weights + min(residentWeights ?? weights, weights)
        cache = KeyValueCache.byteCount(
            layerCount: configuration.layerCount, keyValueHeadCount: configuration.keyValueHeadCount,
            headSize: configuration.headSize, capacity: contextLength,
            encoding: encoding)
        let form = file.tensorIndex[.down, 0].map { ActivationForm(readBy: $0.encoding) } ?? .values
        scratch = ForwardPass.scratchByteCount(configuration: configuration, form: form)
    }

    package var json: JSON.Object {
        [
            "total": .integer(total), "file": .integer(file), "cache": .integer(cache),
            "scratch": .integer(scratch), "program": .integer(program),
        ]
    }
}
