// SPDX-License-Identifier: Apache-2.0
// A tiny model with as many tokens as real ones have: the work on its logits is worth more than one thread.

import Conversion
import JSON
import Quantization
import TestSupport

/// Converts the folder `qwen3` of Tests/Fixtures/folders with rows added to its vocabulary, drawn like its own; they have no text.
///
/// - Parameter rows: of the vocabulary, which is that of the head too.
/// - Returns: the path of the converted model.
package func modelWithVocabulary(
    of rows: Int, _ weights: TensorEncoding = .int8, in folder: TemporaryFolder
) throws -> String {
    let copy = FolderCopy("qwen3")
    copy.replace("\"vocab_size\": 290", by: "\"vocab_size\": \(rows)", in: "config.json")
    copy.write(try addingRows(rows - 290, to: copy.bytes(of: "model.safetensors")), to: "model.safetensors")
    let output = "\(folder.path)/vocabulary-\(rows)-\(weights).tiller"
    let converter = Converter(
        encodings: EncodingChoice(weights: weights, head: weights), replacesExisting: true, threadCount: 2,
        program: "test")
    _ = try converter.convert(copy.path, to: output)
    return output
}

/// A safetensors file whose first tensor, an embedding of 32 columns in bfloat16, has got more rows.
private func addingRows(_ count: Int, to bytes: [UInt8]) throws -> [UInt8] {
    let columns = 32, name = "model.embed_tokens.weight"
    let headerSize = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
    var header = try JSON.parse(Array(bytes[8..<8 + headerSize])).objectValue ?? [:]
    let added = 2 * count * columns
    for key in header.keys {
        guard var tensor = header[key]?.objectValue, let offsets = tensor["data_offsets"]?.arrayValue,
            let start = offsets[0].intValue, let end = offsets[1].intValue
        else { continue }
        if key == name {
            precondition(start == 0 && tensor["dtype"]?.stringValue == "BF16", "the fixture is another one")
            let rows = (tensor["shape"]?[0]?.intValue ?? 0) + count
            tensor["shape"] = [.integer(rows), .integer(columns)]
        }
        tensor["data_offsets"] = [.integer(key == name ? 0 : start + added), .integer(end + added)]
        header[key] = .object(tensor)
    }
    let text = JSON.object(header).serializedBytes()
    let data = bytes[(8 + headerSize)...]
    let ownRows = 290 * columns
    var random = SeededGenerator(seed: 21)
    // The numbers of its own rows in another order: the same spread.
    let rows = (0..<count * columns).flatMap { _ in
        let index = data.startIndex + 2 * Int.random(in: 0..<ownRows, using: &random)
        return data[index...index + 1]
    }
    let size = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
    return size + text + data.prefix(2 * ownRows) + rows + data.dropFirst(2 * ownRows)
}
