// SPDX-License-Identifier: Apache-2.0
// A .tiller file as a source: its weights get another encoding, all other content is kept.

import Formats
import Quantization
import Steering
import Tokenization

extension ModelSource {
    /// Reads a model except for the numbers in its tensors.
    ///
    /// The new file records the old one's source, so profiles that are bound to the source remain valid.
    package init(tiller file: TillerFile) throws {
        let manifest = file.manifest
        if let bytes = file.tokenizerBytes {
            try Self.requireRows(
                forTokenCount: Tokenizer(bytes: bytes.bytes, owner: bytes.owner).vocabularySize,
                manifest.configuration)
        }
        var tensors: [SourceTensor] = []
        var rest = file.tensorIndex.entries[...]
        while let entry = rest.first {
            let parts = file.tensorIndex.segments(entry.role, entry.layer)
            rest = rest.dropFirst(parts.count)
            var segments: [RowSegment] = []
            for part in parts {
                let first = segments.last?.rows.upperBound ?? 0
                segments.append(RowSegment(first..<first + part.rows, part.encoding))
            }
            let isVector = entry.encoding == .vector
            tensors.append(
                SourceTensor(
                    name: entry.name, role: entry.role, layer: entry.layer,
                    rows: parts.reduce(0) { $0 + $1.rows }, columns: entry.columns,
                    storage: isVector ? .blocks(.f32) : .tiles(segments), bytes: file.view(of: parts)))
        }
        self.init(
            name: manifest.name, architecture: manifest.architecture, license: manifest.license,
            fileName: manifest.source.fileName, format: manifest.source.format,
            byteCount: manifest.source.byteCount, types: manifest.source.types,
            hash: .known(manifest.source.sha256), configuration: manifest.configuration,
            tokenizer: file.tokenizerBytes.map { Array($0) }, chatTemplate: file.chatTemplate,
            generation: manifest.generation, tensors: tensors, headScaling: file.headScaling,
            readByteCount: file.byteCount)
        self.file = file
        // Corrupt weights must not get a new digest that matches them.
        _ = try file.verify()
        for stored in file.profiles {
            let profile = try stored.decoded()
            if profile.sourceHash == manifest.source.sha256 {
                profiles.append(profile)
            } else {
                remarks.append(
                    "profile '\(stored.name)' is not kept: it was made for another source model, "
                        + "\(profile.sourceHash.description.prefix(12))…")
            }
        }
    }

    /// The profiles that remain valid under another scaling of the heads, and a remark for each other one.
    func profiles(keptUnder headScaling: HeadScaling?) -> (kept: [SteeringProfile], remarks: [String]) {
        guard headScaling != self.headScaling else { return (profiles, []) }
        return (
            profiles.filter(\.fitsEveryFile),
            profiles.filter { !$0.fitsEveryFile }.map {
                "profile '\($0.name)' is not kept: it was made for the head scaling of the old file"
            }
        )
    }
}
