// SPDX-License-Identifier: Apache-2.0
// An open `.tiller` model. Opening maps the file and checks everything but the weights' digest and
// the profiles' contents; the weights are not touched, so that a model starts in milliseconds.

import Platform
import Quantization

/// A model file, or a model after an executable, mapped and validated.
package struct TillerFile: Sendable {
    package let manifest: Manifest
    package let tensorIndex: TensorIndex
    /// The weights exactly as the kernels read them, on a page boundary; valid as long as the file is open.
    package var weights: UnsafeRawBufferPointer { unsafe weightsView.bytes }
    /// The weights with their owner: a caller that keeps this keeps the mapping.
    package let weightsView: ByteView
    /// The tokenizer's tables, which module Tokenization reads; nil if there are none. A copy, not mapped: the reader follows
    /// their offsets without further checks.
    package let tokenizerBytes: ByteView?
    package let chatTemplate: String?
    /// The steering profiles, in the order of the file.
    package let profiles: [StoredProfile]
    /// The signatures, with their signers' own statements; see module Signing.
    package let signatures: [StoredSignature]
    /// The difference between the heads' outputs and the source's; nil if it is unknown.
    package let headScaling: HeadScaling?
    /// The mapped file; nil if the bytes were read.
    private var mapped: MappedFile?
    let container: TillerContainer

    /// Opens the model at `path`: a model file, or an executable followed by a model.
    /// - Throws: `FileError` when it cannot be mapped, `FormatError` when it breaks a rule.
    package init(path: String) throws { try self.init(mapped: MappedFile(path: path)) }

    /// Opens a mapped file, which stays mapped as long as this value lives.
    package init(mapped: MappedFile) throws(FormatError) {
        self = try namingFile(mapped.path) { () throws(FormatError) in
            try TillerFile(bytes: ByteView(mapped.bytes, owner: mapped))
        }
        self.mapped = mapped
        // The copied parts are not needed again. A large page that also holds weights stays: dropping it takes a
        // millisecond, and it would be mapped again at once.
        let (start, size) = (weightsView.byteOffset, mapped.bytes.count)
        let end = (start + weightsView.count).roundedUp(to: LargePage.byteCount)
        mapped.advise(.dontNeed, range: 0..<start)
        mapped.advise(.dontNeed, range: min(end, size)..<size)
    }

    /// Reads a whole file's bytes.
    package init(bytes: ByteView) throws(FormatError) {
        let container = try TillerContainer(bytes)
        guard container.kind == .model else {
            throw FormatError(
                .tillerFileKind, found: "a steering profile", expected: "a model",
                byteOffset: container.origin + 12)
        }
        let sections = try CheckedSections(container)
        manifest = try Manifest(sections.required(.manifest))
        guard let weights = try container.optional(.weights) else { throw container.missing(.weights) }
        weightsView = container.bytes(of: weights)
        tensorIndex = try TensorIndex(
            sections.required(.tensorIndex), weightsByteCount: weightsView.count, version: container.version)
        try tensorIndex.validate(against: manifest.configuration)
        tokenizerBytes = try sections.optional(.tokenizer)
        chatTemplate = try Self.text(sections.optional(.chatTemplate))
        profiles = sections.profiles
        try StoredProfile.checkNames(profiles)
        signatures = try sections.signatures()
        _ = try container.optional(.calibrationStatistics)
        headScaling = try Self.headScaling(sections.optional(.headScaling), manifest.configuration)
        self.container = container
    }

    private static func headScaling(
        _ view: ByteView?, _ configuration: ModelConfiguration
    ) throws(FormatError) -> HeadScaling? {
        guard let view else { return nil }
        return try HeadScaling(view, configuration)
    }

    private static func text(_ view: ByteView?) throws(FormatError) -> String? {
        guard let view else { return nil }
        guard let text = view.text else {
            throw FormatError(
                .tillerChatTemplate, found: "bytes that are not UTF-8", expected: "UTF-8",
                byteOffset: view.byteOffset)
        }
        return text
    }
}

extension TillerFile {
    package var version: FormatVersion { container.version }
    /// 1 for a new file, one more for each append.
    package var generation: UInt64 { container.generation }
    /// Bytes of an incomplete append; the next append overwrites them.
    package var tornByteCount: Int { container.tornByteCount }
    /// All sections in the order of their bytes, free ones included; offsets from the model's header.
    package var sections: [SectionEntry] { container.entries }
    /// Bytes of the model from its header to its footer.
    package var byteCount: Int { container.view.count }
    /// The start of the model: 0, or a position after an executable.
    package var originByteOffset: Int { container.origin }
    /// A digest of the tensors and the configuration: besides tokens and steering, only they determine keys and values.
    package var computationDigest: SHA256.Digest {
        let sections = container.entries.filter { [.weights, .tensorIndex].contains($0.kind) }
        return SHA256.digest(
            of: sections.flatMap(\.digest.bytes) + manifest.configuration.json.serializedBytes())
    }

    /// Tells the system how a part of the weights will be used; does nothing if the file is not mapped.
    /// - Precondition: `range` is within the weights.
    package func advise(_ advice: MappedFile.Advice, weights range: Range<Int>) {
        guard let (mapped, range) = mappedPlace(ofWeights: range) else { return }
        mapped.advise(advice, range: range)
    }

    /// Maps a part of the weights now, in large pages; see `MappedFile`. Does nothing if the file is not mapped.
    /// - Precondition: `range` is within the weights.
    package func mapInLargePages(weights range: Range<Int>) {
        guard let (mapped, range) = mappedPlace(ofWeights: range) else { return }
        mapped.mapInLargePages(range)
    }

    private func mappedPlace(ofWeights range: Range<Int>) -> (file: MappedFile, range: Range<Int>)? {
        guard let mapped, let file = mapped.bytes.baseAddress, let first = weights.baseAddress else {
            return nil
        }
        let start = first - file + range.lowerBound
        return (mapped, start..<start + range.count)
    }

    /// A tensor's bytes; valid as long as the file is open.
    /// - Precondition: the entry is one of this file's index.
    package func bytes(of tensor: TensorEntry) -> UnsafeRawBufferPointer { unsafe view(of: tensor).bytes }

    /// The same bytes as a view that keeps the file open.
    /// - Precondition: the entry is one of this file's index.
    package func view(of tensor: TensorEntry) -> ByteView {
        guard let view = weightsView.slice(tensor.byteOffset, count: tensor.byteCount) else {
            preconditionFailure("TillerFile: a tensor of another file")
        }
        return view
    }

    /// The bytes of consecutive segments of a vocabulary.
    /// - Precondition: the entries belong to this file's index.
    package func view(of segments: ArraySlice<TensorEntry>) -> ByteView {
        guard let first = segments.first, let last = segments.last,
            let view = weightsView.slice(
                first.byteOffset, count: last.byteOffset + last.byteCount - first.byteOffset)
        else { preconditionFailure("TillerFile: segments of another file") }
        return view
    }

    /// The statistics that were used to quantize the weights; nil if there are none.
    /// - Throws: `FormatError` R12, R39.
    package func calibration() throws(FormatError) -> CalibrationStatistics? {
        guard let entry = try container.optional(.calibrationStatistics) else { return nil }
        return try CalibrationStatistics(container.checkedCopy(of: entry), manifest.configuration)
    }

    /// Compares every section with its digest, the weights included.
    ///
    /// - Parameter progress: called with the bytes hashed so far and their total; returns false to stop.
    /// - Returns: false if it was stopped.
    /// - Throws: `FormatError` R12 for damaged bytes.
    package func verifyDigests(progress: (Int, Int) -> Bool = { _, _ in true }) throws(FormatError) -> Bool {
        let chunk = 4 << 20
        let sections = container.entries.filter(\.hasDigest)
        let total = sections.reduce(0) { $0 + $1.byteCount }
        var done = 0
        for entry in sections {
            let bytes = container.bytes(of: entry)
            var hash = SHA256()
            for start in stride(from: 0, to: bytes.count, by: chunk) {
                guard let piece = bytes.slice(start, count: min(chunk, bytes.count - start)) else { break }
                hash.update(piece)
                done += piece.count
                guard progress(done, total) else { return false }
            }
            guard hash.finalize() == entry.digest else { throw container.digestError(entry) }
        }
        return true
    }
}
