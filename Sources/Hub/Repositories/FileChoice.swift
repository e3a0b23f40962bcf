// SPDX-License-Identifier: Apache-2.0
// Which files of a repository make the best source of a conversion: quantizing twice costs quality, so weights as they were
// trained come before quantized ones, and among these the finer ones.

/// The files to download for a model.
package struct FileChoice: Equatable, Sendable {
    package let files: [HubFile]
    /// The path to give to a command: a GGUF file, or nil for the folder itself.
    package let modelPath: String?
}

extension FileChoice {
    /// The files of a model folder beside the weights: those that a conversion reads.
    private static let companions = [
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "chat_template.json", "chat_template.jinja", index,
    ]
    private static let index = "model.safetensors.index.json"
    private static let required = ["config.json", "tokenizer.json"]
    /// GGUF types, the best source first; others come after them, the largest first.
    private static let preferred = ["Q8_0", "BF16", "F16", "F32", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M"]

    /// Chooses among the files of a repository.
    ///
    /// - Throws: `HubError.noModel` that lists what there is.
    package init(_ name: RepositoryName, in listing: HubListing) throws(HubError) {
        let models = Self.models(in: listing.files)
        if let tag = name.tag {
            guard let model = models.first(where: { $0.type.uppercased() == tag.uppercased() }) else {
                let types = models.map(\.type)
                throw HubError(
                    .noModel,
                    types.isEmpty
                        ? "\(name.repository) has no GGUF files, so leave out ':\(tag)'"
                        : "\(name.repository) has no '\(tag)'; it has \(types.joined(separator: ", "))")
            }
            self.init(files: model.files, modelPath: model.files[0].path)
            return
        }
        if let folder = Self.folder(in: listing.files) {
            self.init(files: folder, modelPath: nil)
            return
        }
        let order = Self.preferred
        let best = models.min { one, other in
            let places = [one, other].map { model in
                order.firstIndex(of: model.type.uppercased()) ?? order.count
            }
            return places[0] == places[1] ? one.byteCount > other.byteCount : places[0] < places[1]
        }
        guard let best else {
            throw HubError(
                .noModel,
                "\(name.repository) has neither safetensors with config.json and tokenizer.json nor GGUF files; other forms "
                    + "cannot be converted")
        }
        self.init(files: best.files, modelPath: best.files[0].path)
    }

    /// The files of a model folder; nil if the repository is none.
    private static func folder(in files: [HubFile]) -> [HubFile]? {
        let paths = Set(files.map(\.path))
        let weights = files.filter { file in
            // Other weights at the top are adapters, or copies for other programs.
            file.path == "model.safetensors"
                || file.path.hasPrefix("model-") && file.path.hasSuffix(".safetensors")
                    && paths.contains(index)
        }
        guard required.allSatisfy(paths.contains), !weights.isEmpty else { return nil }
        let isWhole = weights.contains { $0.path == "model.safetensors" }
        return files.filter { companions.contains($0.path) && !(isWhole && $0.path == index) }
            + (isWhole ? weights.filter { $0.path == "model.safetensors" } : weights)
    }

    // MARK: - GGUF

    /// A GGUF model, in one file or in parts.
    private struct Model {
        let type: String
        var files: [HubFile]
        var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }
    }

    private static func models(in files: [HubFile]) -> [Model] {
        var models: [(stem: String, model: Model)] = []
        for file in files.sorted(by: { $0.path < $1.path }) where file.path.hasSuffix(".gguf") {
            let name = file.path.split(separator: "/").last ?? ""
            // Encoders of images are no models by themselves.
            guard !name.lowercased().hasPrefix("mmproj") else { continue }
            let stem = stem(of: String(file.path.dropLast(5)))
            if let index = models.firstIndex(where: { $0.stem == stem }) {
                models[index].model.files.append(file)
            } else {
                models.append((stem, Model(type: type(in: stem), files: [file])))
            }
        }
        return models.map(\.model)
    }

    /// The part of a path that all parts of a model share: without "-00001-of-00003".
    private static func stem(of path: String) -> String {
        let words = path.split(separator: "-", omittingEmptySubsequences: false)
        guard words.count > 3, words[words.count - 2] == "of",
            [words.count - 1, words.count - 3].allSatisfy({ words[$0].count == 5 && Int(words[$0]) != nil })
        else { return path }
        return words.dropLast(3).joined(separator: "-")
    }

    /// The type in a name such as "model-Q4_K_M", "model.q8_0" or "UD-IQ2_M": its last word.
    private static func type(in stem: String) -> String {
        let name = stem.split(separator: "/").last ?? ""
        return String(name.split { $0 == "-" || $0 == "." }.last ?? name)
    }
}
