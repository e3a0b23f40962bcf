// SPDX-License-Identifier: Apache-2.0
// Writes a new model file: tensors as they are produced, chunk by chunk, then all data that is known
// only afterwards. The file appears under its name when it is complete, or not at all.

import Platform
import Quantization

/// A new `.tiller` model.
///
/// Memory does not grow with the model. A writer that is discarded before `commit` leaves no file.
package final class TillerFileWriter {
    private var container: ContainerWriter
    /// The file; nil if the bytes go to another sink.
    private let file: AtomicFileWriter?
    /// The writer's state at the end of the weights.
    private var weightsEnd: ContainerWriter?
    private var entries: [TensorEntry] = []
    /// The current tensor, and the number of its bytes written so far.
    private var open: (entry: TensorEntry, written: Int)?
    private var weightsByteCount = 0

    /// Creates a file that `commit` moves to `path`.
    ///
    /// - Parameters:
    ///   - path: The final name of the file.
    ///   - replaceExisting: Whether an existing file may be replaced.
    ///   - fault: The simulated fault, for tests.
    /// - Throws: `FileError` if the file cannot be written there.
    package convenience init(path: String, replaceExisting: Bool, fault: SimulatedFault? = nil) throws {
        let file = try AtomicFileWriter(path: path, replaceExisting: replaceExisting, fault: fault)
        try self.init(file, sink: { try file.write($0) })
    }

    /// Creates a file whose bytes go to `sink`.
    package convenience init(sink: @escaping (UnsafeRawBufferPointer) throws -> Void) throws {
        try self.init(nil, sink: sink)
    }

    private init(_ file: AtomicFileWriter?, sink: @escaping (UnsafeRawBufferPointer) throws -> Void) throws {
        container = try ContainerWriter(.model, sink: sink)
        self.file = file
        try container.begin(.weights)
    }

    /// Writes a whole tensor.
    /// - Precondition: the size of `bytes` follows from encoding, rows and columns.
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
    /// - Throws: `FormatError` R23 if the encoding cannot store such a tensor.
    package func beginTensor(
        _ role: TensorRole, layer: Int? = nil, encoding: TensorEncoding, rows: Int, columns: Int
    ) throws {
        precondition(open == nil, "TillerFileWriter: a tensor is open")
        // Padding occurs only between tensors: the last tensor ends the section.
        let start = weightsByteCount.roundedUp(to: TensorIndex.alignment)
        try writeWeights([UInt8](repeating: 0, count: start - weightsByteCount))
        let entry = try TensorEntry(
            role, layer: layer, encoding: encoding, rows: rows, columns: columns, byteOffset: start)
        open = (entry, 0)
    }

    /// Writes the next bytes of the open tensor.
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

    /// Writes the rest: the file is then complete but has no name yet. A second call rewrites everything after the weights.
    ///
    /// - Parameters:
    ///   - manifest: Names, source and configuration; the tensors must fit the configuration.
    ///   - tokenizer: The section as module Tokenization encodes it; nil for none.
    ///   - chatTemplate: The chat template; nil for none.
    ///   - profiles: Steering profiles for this model's shape.
    ///   - calibration: The statistics that were used to quantize the weights; nil for none.
    ///   - headScaling: The difference between the heads' outputs and the source's; nil if it is unknown.
    /// - Throws: `FormatError` if the parts do not fit together, so that no unreadable file is created.
    /// - Precondition: no value that `opened` returned is in use.
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

    /// The complete file as it would open under its name, whether or not it has its name yet; valid as long as the value lives.
    /// - Precondition: the file is complete, and the writer was created with a path.
    package func opened() throws -> TillerFile {
        guard let file else { preconditionFailure("TillerFileWriter: there is no file") }
        return try TillerFile(mapped: file.map())
    }

    /// Puts the file in its place.
    /// - Throws: `FileError`.
    /// - Precondition: the file is complete.
    package func commit() throws { try file?.commit() }

    /// Bytes written so far; after `complete` the size of the file.
    package var byteCount: Int { container.position }

    private func writeWeights(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try container.write($0) }
        weightsByteCount += bytes.count
    }
}
