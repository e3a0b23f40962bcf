// SPDX-License-Identifier: Apache-2.0
// Writes a new model file: tensors as they are made, chunk by chunk, then everything that is known
// only afterwards. The file appears under its name when it is complete, or not at all.

import Platform
import Quantization

/// A new `.tiller` model.
///
/// Memory does not grow with the model. A writer that is dropped before `commit` leaves no file.
package final class TillerFileWriter {
    private var container: ContainerWriter
    /// The file; nil where bytes go elsewhere.
    private let file: AtomicFileWriter?
    /// The state in which the weights ended.
    private var weightsEnd: ContainerWriter?
    private var entries: [TensorEntry] = []
    /// The tensor that is being written, and how many of its bytes are.
    private var open: (entry: TensorEntry, written: Int)?
    private var weightsByteCount = 0

    /// Begins a file that `commit` puts at `path`.
    ///
    /// - Parameters:
    ///   - path: the file's name in the end.
    ///   - replaceExisting: whether a file that is there may be replaced.
    ///   - fault: what goes wrong, for tests.
    /// - Throws: `FileError` when the file cannot be written there.
    package convenience init(path: String, replaceExisting: Bool, fault: SimulatedFault? = nil) throws {
        let file = try AtomicFileWriter(path: path, replaceExisting: replaceExisting, fault: fault)
        try self.init(file, sink: { try file.write($0) })
    }

    /// Begins a file whose bytes go to `sink`.
    package convenience init(sink: @escaping (UnsafeRawBufferPointer) throws -> Void) throws {
        try self.init(nil, sink: sink)
    }

    private init(_ file: AtomicFileWriter?, sink: @escaping (UnsafeRawBufferPointer) throws -> Void) throws {
        container = try ContainerWriter(.model, sink: sink)
        self.file = file
        try container.begin(.weights)
    }

    /// Writes a whole tensor.
    /// - Precondition: `bytes` has the size that encoding, rows and columns give.
    package func appendTensor(
        _ role: TensorRole, layer: Int? = nil, encoding: TensorEncoding, rows: Int, columns: Int,
        bytes: UnsafeRawBufferPointer
    ) throws {
        try beginTensor(role, layer: layer, encoding: encoding, rows: rows, columns: columns)
        try unsafe write(bytes)
        endTensor()
    }

    /// Begins a tensor whose bytes follow in pieces.
    ///
    /// - Throws: `FormatError` R23 when the encoding cannot hold such a tensor.
    package func beginTensor(
        _ role: TensorRole, layer: Int? = nil, encoding: TensorEncoding, rows: Int, columns: Int
    ) throws {
        precondition(open == nil, "TillerFileWriter: a tensor is open")
        // Padding lies between tensors only: the last one ends the section.
        let start = weightsByteCount.roundedUp(to: TensorIndex.alignment)
        try writeWeights([UInt8](repeating: 0, count: start - weightsByteCount))
        let entry = try TensorEntry(
            role, layer: layer, encoding: encoding, rows: rows, columns: columns, byteOffset: start)
        open = (entry, 0)
    }

    /// The next bytes of the open tensor.
    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard let tensor = open else { preconditionFailure("TillerFileWriter: no tensor is open") }
        precondition(
            bytes.count <= tensor.entry.byteCount - tensor.written,
            "TillerFileWriter: too many bytes for \(tensor.entry.name)")
        try unsafe container.write(bytes)
        weightsByteCount += bytes.count
        open?.written += bytes.count
    }

    /// Ends the open tensor.
    /// - Precondition: all of its bytes are written.
    package func endTensor() {
        guard let tensor = open else { preconditionFailure("TillerFileWriter: no tensor is open") }
        precondition(
            tensor.written == tensor.entry.byteCount,
            "TillerFileWriter: too few bytes for \(tensor.entry.name)")
        entries.append(tensor.entry)
        open = nil
    }

    /// Writes the rest: a whole file, which has no name yet. Called again, it writes anew what follows the weights.
    ///
    /// - Parameters:
    ///   - manifest: names, source and configuration; the tensors must fit the latter.
    ///   - tokenizer: the section as module Tokenization encodes it; nil for none.
    ///   - chatTemplate: nil for none.
    ///   - profiles: steering profiles for this model's shape.
    ///   - calibration: what the weights were quantized by; nil for none.
    ///   - headScaling: how the heads' outputs differ from the source's; nil where that is not known.
    /// - Throws: `FormatError` when the parts do not fit together, so that no unreadable file comes to be.
    /// - Precondition: what `opened` gave out is used no more.
    package func complete(
        manifest: Manifest, tokenizer: [UInt8]? = nil, chatTemplate: String? = nil,
        profiles: [EncodedProfile] = [], calibration: CalibrationStatistics? = nil,
        headScaling: HeadScaling? = nil
    ) throws {
        precondition(open == nil, "TillerFileWriter: a tensor is open")
        if let weightsEnd {
            container = weightsEnd
            try file?.rewind(to: container.position)
        } else {
            try container.end()
            weightsEnd = container
        }
        let index = try TensorIndex(entries)
        try index.validate(against: manifest.configuration)
        try container.add(.tensorIndex, index.encoded())
        try container.add(.manifest, manifest.encoded())
        if let tokenizer { try container.add(.tokenizer, tokenizer) }
        if let chatTemplate { try container.add(.chatTemplate, Array(chatTemplate.utf8)) }
        if let calibration {
            try container.add(.calibrationStatistics, calibration.encoded(for: manifest.configuration))
        }
        if let headScaling {
            try container.add(.headScaling, headScaling.encoded(for: manifest.configuration))
        }
        var names: Set<String> = []
        for profile in profiles {
            guard names.insert(profile.name).inserted else {
                throw FormatError(
                    .tillerDuplicateProfile, found: "\"\(profile.name)\" twice", expected: "each name once")
            }
            try container.add(.steeringProfile, profile.bytes)
        }
        try container.finish()
    }

    /// Writes the rest and puts the file in its place; see `complete`.
    package func finish(
        manifest: Manifest, tokenizer: [UInt8]? = nil, chatTemplate: String? = nil,
        profiles: [EncodedProfile] = [], calibration: CalibrationStatistics? = nil,
        headScaling: HeadScaling? = nil
    ) throws {
        try complete(
            manifest: manifest, tokenizer: tokenizer, chatTemplate: chatTemplate, profiles: profiles,
            calibration: calibration, headScaling: headScaling)
        try commit()
    }

    /// The file as it would be opened under its name, valid as long as the value lives, with a name or without.
    /// - Precondition: it is complete, and was begun with a path.
    package func opened() throws -> TillerFile {
        guard let file else { preconditionFailure("TillerFileWriter: there is no file") }
        return try TillerFile(mapped: file.map())
    }

    /// Puts the file in its place.
    /// - Throws: `FileError`.
    /// - Precondition: it is complete.
    package func commit() throws { try file?.commit() }

    /// Bytes written so far; after `complete` those of the file.
    package var byteCount: Int { container.position }

    private func writeWeights(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try container.write($0) }
        weightsByteCount += bytes.count
    }
}
