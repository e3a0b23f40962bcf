// SPDX-License-Identifier: Apache-2.0
// `.tiller` files put together from the specification alone, with correct digests around wrong content,
// so that a test can break one rule and nothing else.

import Formats
import Platform
import Steering

/// A container every field of which can be replaced before it is sealed.
struct RawTiller {
    struct Section {
        var kind: UInt32
        var flags: UInt32
        var bytes: [UInt8]
        // What the table says, where it is not the truth.
        var listedOffset: UInt64?
        var listedByteCount: UInt64?
        var listedDigest: [UInt8]?
        /// Bytes between the section and the next multiple of 64.
        var paddingByte: UInt8 = 0
        /// Where the section must begin a page; a free section fills the way.
        var isOnPage = false
    }

    var magic = [0x89] + Array("TILLER\n".utf8)
    var major: UInt16 = 1
    var minor: UInt16 = 0
    var fileKind: UInt32 = 1
    var sections: [Section]
    // The footer, where it is not the truth.
    var entryCount: UInt32?
    var tableOffset: UInt64?
    var byteCount: UInt64?
    var tableDigest: [UInt8]?
    /// Of what fills the way to a page, where it is not that of the bytes.
    var freeDigest: [UInt8]?
    /// Changes the finished table of contents before it is sealed.
    var changeTable: (inout [UInt8]) -> Void = { _ in }

    /// Takes a valid file apart.
    init(_ file: [UInt8]) throws {
        let model = try TillerFile(bytes: ByteView(copying: file))
        sections = model.sections.filter { $0.kind != .free }.map {
            Section(
                kind: $0.kind.rawValue, flags: $0.flags,
                bytes: Array(file[$0.byteOffset..<($0.byteOffset + $0.byteCount)]),
                isOnPage: $0.kind == .weights)
        }
    }

    /// A profile file with this section.
    init(profileSection: [UInt8]) {
        fileKind = 2
        sections = [Section(kind: 6, flags: 0, bytes: profileSection)]
    }

    func index(of kind: SectionKind) -> Int { sections.firstIndex { $0.kind == kind.rawValue } ?? 0 }

    subscript(kind: SectionKind) -> Section {
        get { sections[index(of: kind)] }
        set { sections[index(of: kind)] = newValue }
    }

    var bytes: [UInt8] {
        var file = RawBytes(bytes: magic)
        file.u16(major)
        file.u16(minor)
        file.u32(fileKind)
        file.pad(to: 64)
        var table = RawBytes()
        func list(_ section: Section, at offset: Int) {
            table.u32(section.kind)
            table.u32(section.flags)
            table.u64(section.listedOffset ?? UInt64(offset))
            table.u64(section.listedByteCount ?? UInt64(section.bytes.count))
            table.u64(0)
            table.bytes += section.listedDigest ?? SHA256.digest(of: section.bytes).bytes
        }
        for section in sections {
            if section.isOnPage && file.bytes.count % 4096 != 0 {
                let start = file.bytes.count
                file.pad(to: 4096)
                let free = [UInt8](repeating: 0, count: file.bytes.count - start)
                list(Section(kind: 0, flags: 0, bytes: free, listedDigest: freeDigest), at: start)
            }
            list(section, at: file.bytes.count)
            file.bytes += section.bytes
            while file.bytes.count % 64 != 0 { file.u8(section.paddingByte) }
        }
        changeTable(&table.bytes)
        let place = file.bytes.count
        file.bytes += table.bytes
        var footer = RawBytes(bytes: [0x89] + Array("TILEND\n".utf8))
        footer.u64(1)
        footer.u64(byteCount ?? UInt64(file.bytes.count + 128))
        footer.u64(tableOffset ?? UInt64(place))
        footer.u32(entryCount ?? UInt32(table.bytes.count / 64))
        footer.u32(0)
        footer.bytes += tableDigest ?? SHA256.digest(of: table.bytes).bytes
        footer.pad(to: 32)
        footer.bytes += SHA256.digest(of: file.bytes[..<64] + footer.bytes).bytes
        return file.bytes + footer.bytes
    }
}

/// Opens a model and touches everything in it.
/// - Returns: how many bytes and values were read, so that nothing is optimised away.
@discardableResult
func exerciseModel(_ bytes: [UInt8]) throws(FormatError) -> Int {
    let file = try TillerFile(bytes: ByteView(copying: bytes))
    var sum = file.tokenizerBytes?.count ?? 0
    for entry in file.tensorIndex.entries {
        let bytes = file.bytes(of: entry)
        sum &+= Int(bytes[0]) &+ Int(bytes[bytes.count - 1]) &+ bytes.count
    }
    let model = file.manifest.configuration
    sum &+= model.layers.count { $0.attention?.window != nil }
    sum &+=
        file.manifest.json.serialized().utf8.count &+ file.deadByteCount
        &+ (file.chatTemplate?.utf8.count ?? 0)
    for profile in file.profiles { sum &+= try exercise(profile.decoded()) }
    sum &+= try file.calibration()?.meanSquares.count ?? 0
    return sum
}

func exerciseProfileFile(_ bytes: [UInt8]) throws(FormatError) -> Int {
    try exercise(TillerProfileFile.profile(in: ByteView(copying: bytes)))
}

private func exercise(_ profile: SteeringProfile) -> Int {
    var sum = 0
    for operation in profile.operations {
        sum &+= profile.vectors[operation.vector].count
        sum &+= profile.residualRMS[operation.layer].isFinite ? 1 : 0
    }
    return sum
}

/// The rule that a model's bytes break; nil where all of it can be read.
func brokenRule(_ bytes: [UInt8]) -> FormatRule? {
    do {
        try exerciseModel(bytes)
        return nil
    } catch { return error.rule }
}

extension TillerFile {
    /// Bytes that `compact` would drop.
    var deadByteCount: Int { sections.filter { $0.kind == .free }.reduce(0) { $0 + $1.byteCount } }
}
