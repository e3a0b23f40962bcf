// SPDX-License-Identifier: Apache-2.0
// The fixed structures of a `.tiller` file (formats/tiller.md §3.1–3.4): header, section entry, footer.

/// Version of a file or of this program.
package struct FormatVersion: Sendable, Equatable, CustomStringConvertible {
    package let major: UInt16
    package let minor: UInt16

    package init(major: UInt16, minor: UInt16) {
        self.major = major
        self.minor = minor
    }

    /// The version that this program writes; it reads every minor version of this major one.
    package static let current = FormatVersion(major: 1, minor: 0)

    package var description: String { "\(major).\(minor)" }
}

/// The content of a file.
package enum TillerFileKind: UInt32, Sendable {
    case model = 1
    case profile = 2
}

/// The kind of a section.
///
/// Unknown kinds are kept, and ignored unless they are required.
package struct SectionKind: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Unused bytes: replaced sections, old tables, gaps before an alignment.
    package static let free = SectionKind(rawValue: 0)
    package static let manifest = SectionKind(rawValue: 1)
    package static let tensorIndex = SectionKind(rawValue: 2)
    package static let weights = SectionKind(rawValue: 3)
    package static let tokenizer = SectionKind(rawValue: 4)
    package static let chatTemplate = SectionKind(rawValue: 5)
    package static let steeringProfile = SectionKind(rawValue: 6)
    package static let calibrationStatistics = SectionKind(rawValue: 7)
    // Reserved: the ids are assigned, the contents are not defined yet.
    package static let evaluationReceipt = SectionKind(rawValue: 8)
    package static let goldenPrompts = SectionKind(rawValue: 9)
    package static let signature = SectionKind(rawValue: 10)
    package static let headScaling = SectionKind(rawValue: 11)

    /// The kind in words, for listings and errors.
    package var name: String {
        let names = [
            "free", "manifest", "tensor index", "weights", "tokenizer", "chat template", "steering profile",
            "calibration statistics", "evaluation receipt", "golden prompts", "signature", "head scaling",
        ]
        return rawValue < names.count ? names[Int(rawValue)] : "kind \(rawValue)"
    }

    /// Whether this version reads such sections.
    var isKnown: Bool {
        rawValue <= SectionKind.calibrationStatistics.rawValue || self == .signature || self == .headScaling
    }

    /// Whether a reader without the section could not run the model.
    var isRequired: Bool { isKnown && (1...4).contains(rawValue) }

    /// The limit in formats/tiller.md §5.
    var maximumByteCount: Int {
        switch self {
        case .manifest, .chatTemplate, .signature: 1 << 20
        case .tensorIndex: TensorIndex.maximumCount * TensorIndex.entryByteCount
        case .tokenizer: 64 << 20
        case .calibrationStatistics, .steeringProfile: 32 << 20
        case .headScaling: 8 + TensorIndex.maximumLayerCount * 4 * (1 + (1 << 20))
        default: 1 << 48
        }
    }

    var alignment: Int { self == .weights ? TillerLayout.weightsAlignment : TillerLayout.alignment }
}

/// One line of the table of contents.
package struct SectionEntry: Sendable, Hashable {
    /// Set if a reader that does not know the kind must refuse the file.
    static let requiredFlag: UInt32 = 1

    package let kind: SectionKind
    package let flags: UInt32
    /// Bytes from the start of the model, which in an executable is not the start of the file.
    package let byteOffset: Int
    /// Bytes without the padding after it.
    package let byteCount: Int
    package let digest: SHA256.Digest

    package var isRequired: Bool { flags & Self.requiredFlag != 0 }

    /// Whether this version reads the section: an unknown flag of a later version may change the meaning of the bytes.
    package var isUnderstood: Bool { kind.isKnown && flags & ~Self.requiredFlag == 0 }

    /// The first byte after the section and its padding.
    var paddedEnd: Int { (byteOffset + byteCount).roundedUp(to: TillerLayout.alignment) }

    static func free(_ range: Range<Int>, digest: SHA256.Digest = .zero) -> SectionEntry {
        SectionEntry(
            kind: .free, flags: 0, byteOffset: range.lowerBound, byteCount: range.count, digest: digest)
    }

    /// Whether the digest is valid: earlier writers stored zeros for free sections.
    var hasDigest: Bool { kind != .free || digest != .zero }
}

/// Sizes and magic numbers.
enum TillerLayout {
    static let alignment = 64
    static let weightsAlignment = 4096
    static let headerByteCount = 64
    static let entryByteCount = 64
    static let footerByteCount = 128
    static let maximumEntryCount = 4096
    /// The distance before the end of a file in which a reader looks for a valid footer; no append writes more.
    static let maximumTornByteCount = 64 << 20
    /// Offsets and sizes stay below this limit, so that their sums cannot overflow.
    static let maximumFileByteCount = 1 << 56

    /// "\x89TILLER\n": the first byte is not text, and line-end conversion changes the last.
    static let headerMagic: [UInt8] = [0x89] + Array("TILLER\n".utf8)
    static let footerMagic: [UInt8] = [0x89] + Array("TILEND\n".utf8)

    static func header(_ kind: TillerFileKind) -> [UInt8] {
        var bytes = headerMagic
        bytes.append(littleEndian: FormatVersion.current.major)
        bytes.append(littleEndian: FormatVersion.current.minor)
        bytes.append(littleEndian: kind.rawValue)
        bytes.pad(to: headerByteCount)
        return bytes
    }

    static func table(_ entries: [SectionEntry]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(entries.count * entryByteCount)
        for entry in entries {
            bytes.append(littleEndian: entry.kind.rawValue)
            bytes.append(littleEndian: entry.flags)
            bytes.append(littleEndian: UInt64(entry.byteOffset))
            bytes.append(littleEndian: UInt64(entry.byteCount))
            bytes.append(littleEndian: UInt64(0))
            bytes.append(contentsOf: entry.digest.bytes)
        }
        return bytes
    }
}

/// The last 128 bytes of a valid state.
struct TillerFooter {
    /// 1 for a new file, one more for each append.
    let generation: UInt64
    /// Bytes from the header's first byte to the footer's last.
    let byteCount: UInt64
    let tableOffset: UInt64
    let entryCount: UInt32
    let tableDigest: SHA256.Digest

    /// The footer's bytes, with a checksum that includes the header.
    func encoded(header: [UInt8]) -> [UInt8] {
        var bytes = TillerLayout.footerMagic
        bytes.append(littleEndian: generation)
        bytes.append(littleEndian: byteCount)
        bytes.append(littleEndian: tableOffset)
        bytes.append(littleEndian: entryCount)
        bytes.append(littleEndian: UInt32(0))
        bytes.append(contentsOf: tableDigest.bytes)
        bytes.pad(to: 32)
        bytes.append(contentsOf: SHA256.digest(of: header + bytes).bytes)
        return bytes
    }

    /// The footer at `position`; nil if its checksum over itself and the header is wrong.
    init?(_ view: ByteView, header: ByteView) {
        guard view.count == TillerLayout.footerByteCount, view.starts(with: TillerLayout.footerMagic) else {
            return nil
        }
        var hash = SHA256()
        hash.update(header)
        guard let sealed = view.slice(0, count: 96) else { return nil }
        hash.update(sealed)
        guard hash.finalize() == SHA256.Digest(view, at: 96) else { return nil }
        generation = view.load(UInt64.self, at: 8)
        byteCount = view.load(UInt64.self, at: 16)
        tableOffset = view.load(UInt64.self, at: 24)
        entryCount = view.load(UInt32.self, at: 32)
        tableDigest = SHA256.Digest(view, at: 40)
    }

    init(
        generation: UInt64, byteCount: Int, tableOffset: Int, entryCount: Int, tableDigest: SHA256.Digest
    ) {
        self.generation = generation
        self.byteCount = UInt64(byteCount)
        self.tableOffset = UInt64(tableOffset)
        self.entryCount = UInt32(entryCount)
        self.tableDigest = tableDigest
    }
}
