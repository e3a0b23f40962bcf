// SPDX-License-Identifier: Apache-2.0
// The bytes of a profile's section (formats/tiller.md §7.1): a fixed part with the name, so that listing profiles
// needs no parsing; JSON; the vectors on a 64-byte boundary.

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
        guard let name = field.slice(0, count: length)?.text, StoredProfile.isValidName(name) else {
            throw FormatError(
                .tillerProfileName, found: "\"\(String(decoding: field.prefix(length), as: UTF8.self))\"",
                expected: "1 to 64 of A-Z a-z 0-9 . _ -, padded with zeros", byteOffset: section.byteOffset)
        }
        self.name = name
        // Within these limits the products cannot overflow.
        guard textByteCount <= ProfileSection.maximumTextByteCount, hiddenSize <= 65_536, hiddenSize > 0,
            (1...ProfileSection.maximumVectorCount).contains(vectorCount), reserved == 0,
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

/// The parts of a profile's section.
package struct ProfileSection {
    // Limits of formats/tiller.md §5.
    static let maximumTextByteCount = 256 << 10
    static let maximumVectorCount = 4096

    package let name: String
    /// JSON.
    package let text: ByteView
    package let hiddenSize: Int
    /// [count][hiddenSize].
    package let vectors: [[Float]]
    /// The position of the vectors in the file.
    package let vectorsByteOffset: Int

    /// Decodes a section.
    /// - Throws: `FormatError` R30, R31.
    package init(_ section: ByteView) throws(FormatError) {
        let layout = try ProfileLayout(section)
        guard let text = section.slice(ProfileLayout.byteCount, count: layout.textByteCount) else {
            preconditionFailure("ProfileSection: the layout was checked")
        }
        for position in (ProfileLayout.byteCount + text.count)..<layout.vectorsOffset
        where section[position] != 0 {
            throw FormatError(
                .tillerProfileLayout, found: "byte \(section[position]) after the JSON", expected: "0",
                byteOffset: section.byteOffset + position)
        }
        name = layout.name
        self.text = text
        hiddenSize = layout.hiddenSize
        vectors = (0..<layout.vectorCount).map { index in
            let start = layout.vectorsOffset + index * layout.hiddenSize * 4
            return (0..<layout.hiddenSize).map {
                Float(bitPattern: section.load(UInt32.self, at: start + $0 * 4))
            }
        }
        vectorsByteOffset = section.byteOffset + layout.vectorsOffset
    }

    /// Encodes a section.
    /// - Throws: `FormatError` R11, R30, R31, so that an invalid section is never written.
    package static func encode(
        name: String, text: [UInt8], hiddenSize: Int, vectors: [[Float]]
    ) throws(FormatError) -> [UInt8] {
        guard StoredProfile.isValidName(name) else {
            throw FormatError(
                .tillerProfileName, found: "\"\(name)\"", expected: "1 to 64 of A-Z a-z 0-9 . _ -")
        }
        guard vectors.allSatisfy({ $0.count == hiddenSize }), (1...65_536).contains(hiddenSize),
            (1...maximumVectorCount).contains(vectors.count)
        else {
            throw FormatError(
                .tillerProfileLayout,
                found: "\(vectors.count) vectors of sizes \(Set(vectors.map(\.count)).sorted())",
                expected: "1 to \(maximumVectorCount) of hiddenSize \(hiddenSize)")
        }
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
        return bytes
    }
}
