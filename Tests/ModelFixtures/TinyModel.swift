// SPDX-License-Identifier: Apache-2.0
// The random tiny models of Tests/Fixtures/models, converted, with what independent implementations say of them.

import Conversion
import Formats
import Glibc
import JSON
import Platform
import Quantization
import TestSupport
import Tiller

package struct TinyModel {
    package static let names = [
        "llama", "llama-linear", "llama3", "llama-yarn", "mistral", "qwen2", "qwen3", "gemma3",
    ]
    /// Those that begin as folders, with the GGUF that llama.cpp's converter makes of them.
    package static let families = [
        "ernie4_5", "exaone4", "gemma2", "granite", "granite4", "granitemoe", "hunyuan", "lfm2", "minicpm",
        "ministral3", "olmo2", "olmo3", "olmoe", "phi3", "qwen35", "qwen3moe", "smollm3",
    ]
    package static let folder = packageRoot + "/Tests/Fixtures/models"

    package let name: String
    /// The GGUF.
    package let source: String
    package let tokens: [Int32]
    package let positions: [Int]
    package let greedyPrompt: [Int32]
    package let greedyContinuation: [Int32]
    package let text: String
    package let textTokens: [Int32]

    package init(_ name: String) throws {
        let own = "\(packageRoot)/Tests/Fixtures/folders/\(name)"
        let isFamily = Self.families.contains(name)
        source = isFamily ? "\(own)/model.gguf" : "\(Self.folder)/\(name).gguf"
        let facts = isFamily ? "\(own)/golden.json" : "\(Self.folder)/\(name).json"
        let json = try JSON.parse(readFile(path: facts, limit: 1 << 20))
        func integers(_ key: String) -> [Int] { json[key]?.arrayValue?.compactMap(\.intValue) ?? [] }
        self.name = name
        tokens = integers("tokens").map { Int32($0) }
        positions = integers("positions")
        greedyPrompt = integers("greedyPrompt").map { Int32($0) }
        greedyContinuation = integers("greedyContinuation").map { Int32($0) }
        text = json["text"]?.stringValue ?? ""
        textTokens = integers("textTokens").map { Int32($0) }
    }

    /// Logits [positions × vocabulary] of a golden file.
    package func goldenLogits(_ kind: String) throws -> [Float] {
        let bytes = try readFile(path: "\(Self.folder)/\(name).\(kind).bin", limit: 1 << 24)
        return bytes.withUnsafeBytes { raw in
            (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
    }

    /// The model converted into a temporary folder that the caller removes.
    package func convert(
        _ weights: TensorEncoding = .float32, head: TensorEncoding? = nil, in folder: TemporaryFolder
    ) throws -> String {
        let output = "\(folder.path)/\(name)-\(weights).tiller"
        let converter = Converter(
            encodings: EncodingChoice(weights: weights, head: head ?? weights), replacesExisting: true,
            threadCount: 2, program: "test")
        _ = try converter.convert(source, to: output)
        return output
    }

    /// An engine that divides the least of work among its threads.
    package func engine(
        _ weights: TensorEncoding = .float32, in folder: TemporaryFolder,
        _ change: (inout Engine.Options) -> Void = { _ in }
    ) throws -> Engine {
        var options = Engine.Options()
        options.threads = 2
        options.smallWork = 0
        change(&options)
        return try Engine(path: convert(weights, in: folder), options: options)
    }
}

extension Session {
    /// Logits after each of the given positions, row after row.
    package func logits(of tokens: [Int32], at positions: [Int]) -> [Float] {
        var rows: [Float] = []
        evaluateAllLogits(tokens) { position, logits in
            if positions.contains(position) { rows += logits }
        }
        return rows
    }
}

package func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
    precondition(a.count == b.count)
    return zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) }
}
