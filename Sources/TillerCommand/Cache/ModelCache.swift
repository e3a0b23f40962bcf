// SPDX-License-Identifier: Apache-2.0
// Runs models where they lie: a GGUF file or a model folder is converted once, and the result kept in the cache. A file there
// is complete, because the converter gives it its name last, and it belongs to one state of its source, because its name
// holds a hash of that: a source that has changed is converted anew.

import Commands
import Conversion
import Formats
import Glibc
import JSON
import Platform
import Terminal
import Tiller

/// The converted models of the cache.
struct ModelCache {
    private let cache: CacheFolder

    init() throws(TillerError) { cache = try CacheFolder() }

    /// The `.tiller` file to open for a model that a user names: the file itself, or what a source was converted to.
    ///
    /// - Throws: the errors of conversion, or `TillerError` if the cache cannot be written.
    static func modelFile(for path: String) throws -> String {
        guard let source = SourceIdentity(path: path) else { return path }
        return try ModelCache().file(for: source, givenAs: path)
    }

    private func file(for source: SourceIdentity, givenAs path: String) throws -> String {
        let file = "\(cache.models)/\(Self.prefix(source))\(Self.digits(of: source.key, 16)).tiller"
        if access(file, R_OK) != 0 {
            let remedy = "'tiller convert' makes a file elsewhere"
            try cache.writing(orElse: remedy) {
                try Folder.create(cache.models)
                try convert(path, to: file)
                try removeOthers(of: source, than: file)
            }
        }
        CachedItem.noteUse(of: file, source: source.path)
        return file
    }

    /// To 8 bits without calibration: that takes a tenth of the time of 4 bits, whose scales are searched for, and needs no
    /// calibration to give the source's answers.
    private func convert(_ path: String, to file: String) throws {
        let converter = Converter(
            encodings: EncodingChoice(weights: .int8, head: .int8), replacesExisting: true,
            threadCount: Processor.ownCoreCount, program: "tiller \(tillerVersion)")
        let bar = ProgressBar(label: "convert", total: 1, unit: .bytes)
        var byteCount = 0
        let summary = try converter.convert(path, to: file) { _, done, total in
            byteCount = total
            bar.update(done, total: total)
            return true
        }
        bar.finish(total: byteCount)
        let size = formatted(bytes: summary.fileByteCount)
        writeError("tiller: \(path) is converted, once, to \(file), \(size)".printableLine)
        writeError(
            "tiller: that was quick, to 8 bits; 'tiller convert \(path)' makes a smaller and faster file, calibrated"
                .printableLine)
    }

    /// Removes what the same source was converted to in its former states.
    private func removeOthers(of source: SourceIdentity, than file: String) throws(FileError) {
        for model in CachedItem.models(in: cache)
        where model.path != file && model.path.fileName.hasPrefix(Self.prefix(source)) { try model.remove() }
    }

    /// The first part of a name in the cache: the source, whatever its state.
    private static func prefix(_ source: SourceIdentity) -> String {
        // A file's name has at most 255 bytes.
        var name = source.name
        while name.utf8.count > 150 { name.removeLast() }
        return "\(name)-\(digits(of: source.path, 8))-"
    }

    private static func digits(of text: String, _ count: Int) -> String {
        String(SHA256.digest(of: Array(text.utf8)).description.prefix(count))
    }
}

extension SourceIdentity {
    /// Everything that determines the converted file.
    fileprivate var key: String {
        [path, "format \(FormatVersion.current)", "tiller \(tillerVersion)", "int8 int8 none", state]
            .joined(separator: "\n")
    }
}

/// Refuses a model that a command is about to change but that is not the user's own file: a source that has no `.tiller` file
/// yet, or one in the cache, which may vanish at any time.
func requireOwnModel(_ path: String) throws(TillerError) {
    if SourceIdentity(path: path) != nil {
        throw .invalidFile(
            "\(path) is no .tiller file, and this command stores its result in the model: 'tiller convert \(path)' first"
        )
    }
    guard let cache = try? CacheFolder(), cache.holdsModel(path) else { return }
    throw .invalidFile(
        "\(path) belongs to the cache, where changes may vanish at any time: 'tiller convert' makes a file of your own"
    )
}
