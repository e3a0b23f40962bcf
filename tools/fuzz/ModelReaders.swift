// SPDX-License-Identifier: Apache-2.0
// Files that models come in: GGUF, safetensors, folders of both kinds of JSON; and vectors and activations.

import Conversion
import Formats
import JSON
import Quantization
import Steering
import Tokenization

let modelReaders = [
    Reader(name: "gguf", seeds: ggufSeeds, run: readGGUF),
    Reader(name: "safetensors", seeds: safetensorsSeeds, run: readSafetensors),
    Reader(name: "index", seeds: { [indexFixture] }) { bytes in
        let index = try SafetensorsIndex(bytes: ByteView(copying: bytes))
        use(index.places.count &+ index.shardNames.count)
    },
    Reader(name: "folder", seeds: ModelFolders.seeds, run: ModelFolders.read),
    Reader(name: "activations", seeds: { [RawActivations().bytes] }) { bytes in
        let file = try ActivationFile(bytes: ByteView(copying: bytes))
        for layer in file.layers { use(file.states(layer: layer).count) }
        let set = try ActivationSet([file])
        for layer in set.layers { use(set.states(layer: layer).count) }
    },
    Reader(name: "vector", seeds: { ["llama", "gemma3"].map { fixture("models/\($0).steering.gguf") } }) {
        bytes in
        let path = "\(scratchFolder)/vector.gguf"
        writeFile(bytes, to: path)
        let vector = try ControlVector(readingFrom: path)
        let profile = try vector.profile(
            named: "v", configuration: TinyModel.configuration, sourceHash: TinyModel.sourceHash)
        use(try profile.encoded().count)
    },
]

private let indexFixture = fixture("folders/llama/model.safetensors.index.json")
private let encodings = EncodingChoice(weights: .float32, head: .float32)

// MARK: - GGUF

/// Files without their tensors' numbers, which are zeros: what is mutated then means something.
private func ggufSeeds() throws -> [[UInt8]] {
    try ["llama", "llama-linear", "llama-yarn", "mistral", "qwen2", "qwen3", "gemma3"].map { name in
        let bytes = fixture("models/\(name).gguf")
        let file = try GGUFFile(bytes: ByteView(copying: bytes))
        return Array(bytes[..<(file.tensors.map(\.byteOffset).min() ?? bytes.count)])
    } + [RawGGUF().bytes]
}

private func readGGUF(_ bytes: [UInt8]) throws {
    let view = ByteView(copying: bytes + [UInt8](repeating: 0, count: 1 << 18))
    let file = try GGUFFile(bytes: view)
    for key in file.metadata.keys {
        guard let value = file.metadata[key] else { continue }
        use((value.string?.utf8.count ?? 0) &+ (value.integer ?? 0) &+ (value.bool == true ? 1 : 0))
        use((value.float?.isFinite == true ? 1 : 0) &+ (value.strings?.reduce(0) { $0 &+ $1.count } ?? 0))
        use((value.integers?.reduce(0, &+) ?? 0) &+ (value.floats?.count ?? 0) &+ (value.bools?.count ?? 0))
    }
    for tensor in file.tensors {
        let bytes = file.view(of: tensor)
        use(Int(bytes[0]) &+ Int(bytes[bytes.count - 1]) &+ tensor.rows &+ tensor.columns)
        // A row of numbers in each type.
        if tensor.columns < 1 << 12, let stride = tensor.type.byteCount(elements: tensor.columns),
            stride <= bytes.count, let base = bytes.bytes.baseAddress
        {
            var row = [Float](repeating: 0, count: tensor.columns)
            row.withUnsafeMutableBufferPointer { buffer in
                guard let output = buffer.baseAddress else { return }
                tensor.type.dequantize(base, count: tensor.columns, into: output)
            }
            use(row.count { $0.isFinite })
        }
    }
    try useSource(ModelSource(gguf: GGUFParts(bytes: view), path: "m.gguf"))
}

// MARK: - safetensors

private func safetensorsSeeds() -> [[UInt8]] {
    let header = fixture("folders/llama-bias/model.safetensors")
    let count = header[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    return [Array(header[..<(8 + count)]), RawActivations().bytes]
}

private func readSafetensors(_ bytes: [UInt8]) throws {
    func read(_ bytes: [UInt8]) throws {
        let file = try SafetensorsFile(bytes: ByteView(copying: bytes))
        for tensor in file.tensors {
            let bytes = file.bytes(of: tensor)
            use((bytes.first.map { Int($0) } ?? 0) &+ (bytes.last.map { Int($0) } ?? 0) &+ tensor.shape.count)
            use(file.tensor(named: tensor.name)?.byteCount ?? 0)
        }
        use(file.metadata.count)
    }
    do { try read(bytes) } catch let error as FormatError where error.rule == .safetensorsDataEnd {
        // With as many zeros as the header asks for.
        let count = Int(error.expected.prefix(while: \.isNumber)) ?? 0
        let head = 8 + bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        guard count < 1 << 20 else { throw error }
        try read(Array(bytes[..<head]) + [UInt8](repeating: 0, count: count))
    }
}

// MARK: - What conversion makes of it

/// Plans a conversion, and uses the tokenizer that comes of it.
func useSource(_ source: ModelSource) throws {
    _ = try TensorPlan(source, encodings: encodings)
    if let section = source.tokenizer { try useTokenizer(ByteView(copying: section)) }
    if let template = source.chatTemplate { try useTemplate(template) }
}
