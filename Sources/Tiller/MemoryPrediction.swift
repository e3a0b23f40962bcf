// SPDX-License-Identifier: Apache-2.0
// The memory that a model needs, predicted before it is loaded: the sum of what its parts will allocate.

import Formats
import JSON
import Kernels
import Platform
import Quantization
import Transformer

/// Bytes that become resident when a context is filled.
package struct MemoryPrediction: Sendable {
    /// The mapped part of the file; clean pages that the system may reclaim.
    package let file: Int
    package let cache: Int
    /// Activations, the threads' work areas, a session's logits and its sampler.
    package let scratch: Int
    /// Code, stacks and libraries: the memory of a process that runs the smallest model, on Linux for x86-64.
    package let program = 13_500_000

    package var total: Int { file + cache + scratch + program }

    /// - Parameters:
    ///   - threadCount: nil takes the engine's default.
    ///   - residentWeights: see `Engine.Options`.
    package init(
        file: TillerFile, contextLength: Int, cache encoding: CacheEncoding, threadCount: Int? = nil,
        residentWeights: Int? = nil
    ) {
        let configuration = file.manifest.configuration
        let weights = file.weights.count
        self.file = file.byteCount - weights + min(residentWeights ?? weights, weights)
        cache = SequenceState.byteCount(configuration, capacity: contextLength, encoding: encoding)
        scratch =
            ForwardPass.byteCount(
                configuration: configuration, form: Self.form(of: file), contextLength: contextLength,
                threadCount: threadCount ?? Processor.ownCoreCount,
                separatesBiases: encoding != .float32
                    && configuration.layers.contains {
                        $0.attention?.hasBias == true && $0.attention?.queryKeyNorm == nil
                            && $0.norms != .after
                    })
            + Session.byteCount(
                contextLength: contextLength, vocabularySize: configuration.vocabularySize)
            + Sampler.byteCount(vocabularySize: configuration.vocabularySize)
    }

    /// - Parameter cache: the requested type; nil takes the model's default.
    /// - Throws: `TillerError.invalidOption` if the model does not support it.
    package init(
        file: TillerFile, contextLength: Int, wantedCache: Engine.CacheType?, threadCount: Int? = nil,
        residentWeights: Int? = nil
    ) throws(TillerError) {
        self.init(
            file: file, contextLength: contextLength,
            cache: try Engine.cacheEncoding(wantedCache, for: file), threadCount: threadCount,
            residentWeights: residentWeights)
    }

    /// The activation form that the model's projections read.
    package static func form(of file: TillerFile) -> ActivationForm {
        file.tensorIndex[.down, 0].map { ActivationForm(readBy: $0.encoding) } ?? .values
    }

    package var json: JSON.Object {
        [
            "total": .integer(total), "file": .integer(file), "cache": .integer(cache),
            "scratch": .integer(scratch), "program": .integer(program),
        ]
    }
}
