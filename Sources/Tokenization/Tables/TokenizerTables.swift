// SPDX-License-Identifier: Apache-2.0
// Reads a tokenizer section in place. The only file of the module that accesses raw memory: every offset comes from a validated
// layout, and every index from a caller is checked against its count here.

/// The arrays of a tokenizer section. The caller owns the bytes, which outlive this value and never change. They must not be
/// those of a mapped file, which another process may overwrite.
struct TokenizerTables: @unchecked Sendable {
    let layout: TokenizerLayout
    private let offsets: TokenizerLayout.Offsets
    private let base: UnsafeRawPointer

    /// - Precondition: the bytes are as many as the layout requires; `validate` has not necessarily run.
    init(layout: TokenizerLayout, bytes: UnsafeRawBufferPointer) {
        self.layout = layout
        offsets = layout.offsets
        precondition(bytes.count >= offsets.end, "TokenizerTables: bytes are missing")
        guard let base = bytes.baseAddress else { preconditionFailure("TokenizerTables: no bytes") }
        self.base = base
    }

    @inline(__always)
    private func word(_ offset: Int, _ index: Int) -> UInt32 {
        UInt32(littleEndian: base.loadUnaligned(fromByteOffset: offset + 4 * index, as: UInt32.self))
    }

    /// - Precondition: `offset` is in the section.
    func byte(at offset: Int) -> UInt8 { base.load(fromByteOffset: offset, as: UInt8.self) }

    // MARK: - Tokens

    @inline(__always)
    func isToken(_ id: Int32) -> Bool { id >= 0 && Int(id) < layout.tokenCount }

    /// The start of a token's text in the text bytes; for the token count, the end of the last text.
    @inline(__always)
    func textOffset(_ index: Int) -> Int {
        // Reads three bytes and ignores a fourth: of the next entry, or of the byte tokens that always follow.
        let word = base.loadUnaligned(fromByteOffset: offsets.textOffsets + 3 * index, as: UInt32.self)
        return Int(UInt32(littleEndian: word) & 0xFF_FFFF)
    }

    /// - Precondition: `id` is a token.
    @inline(__always)
    func textRange(of id: Int32) -> Range<Int> {
        Range(uncheckedBounds: (textOffset(Int(id)), textOffset(Int(id) + 1)))
    }

    /// - Precondition: `offset` is in the text bytes.
    @inline(__always)
    func textByte(_ offset: Int) -> UInt8 {
        base.load(fromByteOffset: offsets.texts + offset, as: UInt8.self)
    }

    /// - Precondition: `id` is a token.
    func appendText(of id: Int32, to output: inout [UInt8]) {
        let range = textRange(of: id)
        output.append(
            contentsOf: UnsafeRawBufferPointer(
                start: base + offsets.texts + range.lowerBound, count: range.count))
    }

    /// The bytes of the rules; none in version 1.
    var ruleBytes: [UInt8] {
        Array(UnsafeRawBufferPointer(start: base + offsets.rules, count: layout.ruleByteCount ?? 0))
    }

    /// - Precondition: `id` is a token.
    func text(of id: Int32) -> [UInt8] {
        var bytes: [UInt8] = []
        appendText(of: id, to: &bytes)
        return bytes
    }

    @inline(__always)
    func typeByte(_ index: Int) -> UInt8 { base.load(fromByteOffset: offsets.types + index, as: UInt8.self) }

    /// - Precondition: `id` is a token.
    func type(of id: Int32) -> TokenType { TokenType(rawValue: typeByte(Int(id))) ?? .unused }

    @inline(__always)
    func score(_ index: Int) -> Float { Float(bitPattern: word(offsets.scores, index)) }

    // MARK: - Small tables

    /// The token of a byte, or −1.
    @inline(__always)
    func byteToken(_ byte: UInt8) -> Int32 { Int32(bitPattern: word(offsets.byteTokens, Int(byte))) }

    /// Whether every byte has a token.
    var hasAllBytes: Bool { (0...255).allSatisfy { byteToken(UInt8($0)) >= 0 } }

    func endOfGenerationToken(_ index: Int) -> Int32 {
        Int32(bitPattern: word(offsets.endOfGeneration, index))
    }

    /// The index in the sorted list of the first special token that starts with a byte; 256 gives its end.
    @inline(__always)
    func firstByteIndex(_ byte: Int) -> Int { Int(word(offsets.firstBytes, byte)) }

    @inline(__always)
    func specialToken(_ index: Int) -> Int32 { Int32(bitPattern: word(offsets.specialTokens, index)) }

    // MARK: - Hash tables

    @inline(__always)
    func textSlot(_ index: Int) -> UInt32 { word(offsets.textSlots, index) }

    @inline(__always)
    func mergeSlot(_ index: Int) -> UInt32 { word(offsets.mergeSlots, index) }

    /// A merge by rank: left, right and merged token, twenty bits each.
    @inline(__always)
    func merge(_ rank: Int) -> UInt64 {
        UInt64(
            littleEndian: base.loadUnaligned(fromByteOffset: offsets.merges + 8 * rank, as: UInt64.self))
    }

    /// The token with the text of a range, or −1. Only tokens in the text table are found.
    @inline(__always)
    func token(_ text: Span<UInt8>, _ range: Range<Int>) -> Int32 {
        guard range.count <= layout.longestTokenByteCount && layout.textSlotCount > 0 else { return -1 }
        let hash = TokenHash(text, range)
        let tag = hash.tag
        var index = hash.slot(count: layout.textSlotCount)
        while true {
            let slot = textSlot(index)
            if slot == TableSlot.empty { return -1 }
            let id = Int32(bitPattern: slot & TableSlot.indexMask)
            if slot >> 20 == tag && hasText(id, text, range) { return id }
            index = TableSlot.next(index, count: layout.textSlotCount)
        }
    }

    @inline(__always)
    private func hasText(_ id: Int32, _ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
        let own = textRange(of: id)
        guard own.count == range.count else { return false }
        for index in 0..<range.count where textByte(own.lowerBound + index) != text[range.lowerBound + index]
        {
            return false
        }
        return true
    }

    /// The rank and the result of joining two tokens, or nil if they do not join.
    ///
    /// - Precondition: both are tokens.
    @inline(__always)
    func merge(left: Int32, right: Int32) -> (rank: UInt32, merged: Int32)? {
        guard layout.mergeSlotCount > 0 else { return nil }
        let pair = UInt64(UInt32(bitPattern: left)) | UInt64(UInt32(bitPattern: right)) << 20
        let hash = TokenHash(left: UInt64(UInt32(bitPattern: left)), right: UInt64(UInt32(bitPattern: right)))
        let tag = hash.tag
        var index = hash.slot(count: layout.mergeSlotCount)
        while true {
            let slot = mergeSlot(index)
            if slot == TableSlot.empty { return nil }
            let rank = slot & TableSlot.indexMask
            if slot >> 20 == tag {
                let merge = merge(Int(rank))
                if merge & 0xFF_FFFF_FFFF == pair { return (rank, Int32(truncatingIfNeeded: merge >> 40)) }
            }
            index = TableSlot.next(index, count: layout.mergeSlotCount)
        }
    }
}
