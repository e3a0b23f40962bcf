// SPDX-License-Identifier: Apache-2.0
// A profile as the bytes of a section (formats/tiller.md §7.1): a fixed part with the name, so that profiles
// are listed without parsing; JSON; the vectors on a 64-byte boundary.

import JSON
import Quantization

/// The fixed part of a profile's section, checked against the section's size.
struct ProfileLayout {
    static let byteCount = 80

    let name: String
    let textByteCount: Int
    let vectorCount: Int
    let hiddenSize: Int

    var vectorsOffset: Int { (Self.byteCount + textByteCount).roundedUp(to: TillerLayout.alignment) }
    var sectionByteCount: Int { vectorsOffset + vectorCount * hiddenSize * 4 }

    /// Reads the fixed part.
    /// - Throws: `FormatError` R30, R31.
    init(_ section: ByteView) throws(FormatError) {
        var reader = ByteReader(section, truncationRule: .tillerProfileLayout)
        let field = try reader.bytes(64, "profile name")
        textByteCount = Int(try reader.integer(UInt32.self, "size of the profile's JSON"))
        vectorCount = Int(try reader.integer(UInt32.self, "vector count"))
        hiddenSize = Int(try reader.integer(UInt32.self, "hidden size"))
        let reserved = try reader.integer(UInt32.self, "reserved")

        let length = field.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0
        guard let name = field.slice(0, count: length)?.text, SteeringProfile.isValidName(name) else {
            throw FormatError(
                .tillerProfileName, found: "\"\(String(decoding: field.prefix(length), as: UTF8.self))\"",
                expected: "1 to 64 of A-Z a-z 0-9 . _ -, padded with zeros", byteOffset: section.byteOffset)
        }
        self.name = name
        // Within these limits no product overflows.
        guard textByteCount <= SteeringProfile.maximumTextByteCount, hiddenSize <= 65_536, hiddenSize > 0,
            (1...SteeringProfile.maximumVectorCount).contains(vectorCount), reserved == 0,
            sectionByteCount == section.count
        else {
            throw FormatError(
                .tillerProfileLayout,
                found:
                    "\(textByteCount) bytes of JSON, \(vectorCount) vectors of \(hiddenSize) in \(section.count) bytes",
                expected: "sizes within the limits that fill the section", byteOffset: section.byteOffset + 64
            )
        }
    }
}

extension SteeringProfile {
    /// Reads a section's bytes.
    /// - Throws: `FormatError` R30, R31, R33–R36.
    package init(_ section: ByteView) throws(FormatError) {
        let layout = try ProfileLayout(section)
        guard let text = section.slice(ProfileLayout.byteCount, count: layout.textByteCount) else {
            preconditionFailure("SteeringProfile: the layout was checked")
        }
        for position in (ProfileLayout.byteCount + text.count)..<layout.vectorsOffset
        where section[position] != 0 {
            throw FormatError(
                .tillerProfileLayout, found: "byte \(section[position]) behind the JSON", expected: "0",
                byteOffset: section.byteOffset + position)
        }
        var vectors: [[Float]] = []
        for index in 0..<layout.vectorCount {
            let start = layout.vectorsOffset + index * layout.hiddenSize * 4
            vectors.append(
                (0..<layout.hiddenSize).map {
                    Float(bitPattern: section.load(UInt32.self, at: start + $0 * 4))
                })
        }
        let json = try JSON.parse(text, rule: .tillerProfileText)
        try self.init(json, name: layout.name, hiddenSize: layout.hiddenSize, vectors: vectors)
        try checkVectors(at: section.byteOffset + layout.vectorsOffset)
    }

    /// The section's bytes.
    /// - Throws: `FormatError` R30, R31, R33–R36 when the profile breaks a rule, so that it is never written.
    package func encoded() throws(FormatError) -> [UInt8] {
        guard Self.isValidName(name) else {
            throw FormatError(
                .tillerProfileName, found: "\"\(name)\"", expected: "1 to 64 of A-Z a-z 0-9 . _ -")
        }
        guard vectors.allSatisfy({ $0.count == hiddenSize }), (1...65_536).contains(hiddenSize),
            (1...Self.maximumVectorCount).contains(vectors.count)
        else {
            throw FormatError(
                .tillerProfileLayout,
                found: "\(vectors.count) vectors of sizes \(Set(vectors.map(\.count)).sorted())",
                expected: "1 to \(Self.maximumVectorCount) of hiddenSize \(hiddenSize)")
        }
        let text = json.serializedBytes()
        var bytes = Array(name.utf8)
        bytes.pad(to: 64)
        bytes.append(littleEndian: UInt32(clamping: text.count))
        bytes.append(littleEndian: UInt32(vectors.count))
        bytes.append(littleEndian: UInt32(hiddenSize))
        bytes.append(littleEndian: UInt32(0))
        bytes.append(contentsOf: text)
        bytes.pad(to: TillerLayout.alignment)
        for vector in vectors {
            for value in vector { bytes.append(littleEndian: value.bitPattern) }
        }
        guard bytes.count <= SectionKind.steeringProfile.maximumByteCount else {
            throw FormatError(
                .tillerSectionSize, found: "a profile of \(bytes.count) bytes",
                expected: "at most \(SectionKind.steeringProfile.maximumByteCount)")
        }
        _ = try SteeringProfile(ByteView(copying: bytes))
        return bytes
    }
}
