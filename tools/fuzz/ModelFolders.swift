// SPDX-License-Identifier: Apache-2.0
// Model folders: a fixture, some files of which are the input's.

import Conversion
import Formats
import Glibc

/// An input's first part is the number of a fixture; each other begins with the number of a file, then its content.
enum ModelFolders {
    private static let names = [
        "llama-bias", "llama-yarn", "mistral", "qwen2", "qwen3", "gemma3", "gemma3-vision",
    ]
    private static let files = [
        "config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json",
        "special_tokens_map.json", "chat_template.json", "chat_template.jinja", "README.md",
        "model.safetensors",
        "model.safetensors.index.json",
    ]
    private static let weights = 8

    static func seeds() -> [[UInt8]] {
        var seeds: [[UInt8]] = []
        for (number, name) in names.enumerated() {
            for (file, fileName) in files.enumerated() {
                guard access("Tests/Fixtures/folders/\(name)/\(fileName)", F_OK) == 0 else { continue }
                var content = fixture("folders/\(name)/\(fileName)")
                // The header alone; zeros are put behind it.
                if file == weights { content = Array(content[8..<(8 + headerByteCount(content))]) }
                seeds.append(Parts.joined([[UInt8(number)], [UInt8(file)] + content]))
            }
        }
        let map =
            #"{"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "unk_token": null}"#
        seeds.append(Parts.joined([[0], [4] + Array(map.utf8)]))
        let template = #"{"chat_template": [{"name": "default", "template": "{{ messages[0].content }}"}]}"#
        seeds.append(Parts.joined([[0], [5] + Array(template.utf8)]))
        seeds.append(Parts.joined([[0], [7] + Array("---\nlicense: apache-2.0\n---\n# Model\n".utf8)]))
        return seeds
    }

    private static func headerByteCount(_ bytes: [UInt8]) -> Int {
        bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    /// Copies of the fixtures in memory.
    nonisolated(unsafe) private static var copies: [Int: String] = [:]

    private static func copy(_ number: Int) -> String {
        if let path = copies[number] { return path }
        let path = "\(scratchFolder)/\(names[number])"
        guard system("cp -r 'Tests/Fixtures/folders/\(names[number])' '\(path)'") == 0 else {
            fatalError("cannot copy a fixture")
        }
        copies[number] = path
        return path
    }

    static func read(_ bytes: [UInt8]) throws {
        let parts = Parts.split(bytes)
        let number = Int(parts[0].first ?? 0) % names.count
        let folder = copy(number)
        var changed: Set<Int> = []
        defer { for file in changed { restore(file, in: folder, number) } }
        for part in parts.dropFirst(1).prefix(4) {
            let file = Int(part.first ?? 0) % files.count
            changed.insert(file)
            var content = Array(part.dropFirst())
            var zeroCount = 0
            if file == weights {
                let count = content.count
                content = (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + content
                zeroCount = 161_648
                let source = "Tests/Fixtures/folders/\(names[number])/\(files[weights])"
                if access(source, F_OK) == 0 {
                    let original = fixture("folders/\(names[number])/\(files[weights])")
                    zeroCount = original.count - 8 - headerByteCount(original)
                }
            }
            writeFile(content, zeroCount: zeroCount, to: "\(folder)/\(files[file])")
        }
        try useSource(ModelSource(path: folder))
    }

    private static func restore(_ file: Int, in folder: String, _ number: Int) {
        let path = "folders/\(names[number])/\(files[file])"
        unlink("\(folder)/\(files[file])")
        if access("Tests/Fixtures/\(path)", F_OK) == 0 {
            writeFile(fixture(path), to: "\(folder)/\(files[file])")
        }
    }
}
