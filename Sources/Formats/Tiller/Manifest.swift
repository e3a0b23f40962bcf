// SPDX-License-Identifier: Apache-2.0
// The manifest: a model's name, origin, conversion and quality. It is JSON, so that
// people can read it; formats/tiller.md §3.5.

import JSON

/// The content of a model file's manifest section.
package struct Manifest: Sendable, Equatable {
    /// The file that was converted.
    package struct Source: Sendable, Equatable {
        package var fileName: String
        /// SHA-256 of the whole file; steering profiles are bound to it.
        package var sha256: SHA256.Digest
        /// The source's format, such as "GGUF" or "safetensors".
        package var format: String
        package var byteCount: Int
        /// Names of the tensor types in the file.
        package var types: [String]

        package init(fileName: String, sha256: SHA256.Digest, format: String, byteCount: Int, types: [String])
        {
            self.fileName = fileName
            self.sha256 = sha256
            self.format = format
            self.byteCount = byteCount
            self.types = types
        }
    }

    package var name: String
    /// The source's own name of its architecture, such as "LlamaForCausalLM" or "gemma3".
    package var architecture: String
    package var license: String
    package var source: Source
    /// The program that wrote the file and its version.
    package var converter: String
    /// The date in ISO 8601, such as "2026-01-31".
    package var created: String
    package var configuration: ModelConfiguration
    /// Measured side effects of quantization; an object kept unchanged, or null.
    package var quality: JSON
    /// Counts and sizes worth showing; an object kept unchanged, or null.
    package var statistics: JSON
    /// Recommended sampling; an object kept unchanged, or null.
    package var generation: JSON

    package init(
        name: String, architecture: String, license: String, source: Source, converter: String,
        created: String,
        configuration: ModelConfiguration, quality: JSON = .null, statistics: JSON = .null,
        generation: JSON = .null
    ) {
        self.name = name
        self.architecture = architecture
        self.license = license
        self.source = source
        self.converter = converter
        self.created = created
        self.configuration = configuration
        self.quality = quality
        self.statistics = statistics
        self.generation = generation
    }
}

extension Manifest {
    private static let maximumTextByteCount = 65_536

    /// Reads the section's bytes.
    ///
    /// Unknown members of the root are ignored.
    /// - Throws: `FormatError` R15–R18.
    init(_ bytes: ByteView) throws(FormatError) {
        let json = try JSON.parse(bytes, rule: .tillerManifestText)
        let fields = try JSONFields(json, path: "", rule: .tillerManifestField)
        name = try fields.string("name", maximumByteCount: 256)
        architecture = try fields.string("architecture", maximumByteCount: 256)
        license = try fields.string("license", maximumByteCount: Self.maximumTextByteCount)
        converter = try fields.string("converter", maximumByteCount: 256)
        created = try fields.string("created", maximumByteCount: 64)
        source = try Source(fields.value("source"))
        configuration = try ModelConfiguration(fields.value("configuration"))
        quality = try fields.openObject("quality")
        statistics = try fields.openObject("statistics")
        generation = try fields.openObject("generation")
    }

    /// The section's bytes.
    /// - Throws: `FormatError` if a value breaks a rule, so that nothing unreadable is written.
    func encoded() throws(FormatError) -> [UInt8] {
        let bytes = json.serializedBytes(pretty: true)
        guard bytes.count <= SectionKind.manifest.maximumByteCount else {
            throw FormatError(
                .tillerSectionSize, found: "a manifest of \(bytes.count) bytes",
                expected: "at most \(SectionKind.manifest.maximumByteCount)")
        }
        _ = try Manifest(ByteView(copying: bytes))
        return bytes
    }

    package var json: JSON {
        [
            "name": .string(name), "architecture": .string(architecture), "license": .string(license),
            "source": source.json, "converter": .string(converter), "created": .string(created),
            "configuration": configuration.json, "quality": quality, "statistics": statistics,
            "generation": generation,
        ]
    }
}

extension Manifest.Source {
    fileprivate init(_ json: JSON?) throws(FormatError) {
        let fields = try JSONFields(json, path: "source", rule: .tillerManifestField)
        fileName = try fields.string("fileName", maximumByteCount: 4096)
        sha256 = try fields.digest("sha256")
        format = try fields.string("format", maximumByteCount: 256)
        byteCount = try fields.integer("byteCount", in: 0...Int.max)
        types = []
        for element in fields.value("types")?.arrayValue ?? [] {
            guard let type = element.stringValue else {
                throw FormatError(
                    .tillerManifestField, found: "\(element.kindName) in \"source.types\"",
                    expected: "a string")
            }
            types.append(type)
        }
    }

    fileprivate var json: JSON {
        [
            "fileName": .string(fileName), "sha256": .string(sha256.description), "format": .string(format),
            "byteCount": .integer(byteCount), "types": .array(types.map { .string($0) }),
        ]
    }
}

extension JSON {
    /// Parses a section's text: strictly, at most 32 levels deep, without repeated keys.
    package static func parse(_ view: ByteView, rule: FormatRule) throws(FormatError) -> JSON {
        do {
            return try unsafe JSON.parse(view.bytes, maximumDepth: 32, duplicateKeys: .refused)
        } catch {
            throw FormatError(
                rule, found: error.found, expected: error.expected,
                byteOffset: view.byteOffset + error.byteOffset)
        }
    }
}
