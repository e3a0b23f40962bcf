// SPDX-License-Identifier: Apache-2.0
// The conditions for unchecked use of a section's arrays: formats/tokenizer.md §4, rules T6 and T8 to T16. Loops over large
// arrays accumulate a verdict without branching, and locate the invalid entry only if there is one.

extension TokenizerTables {
    /// Validates every array of a section whose header has been validated.
    ///
    /// - Throws: the first rule that is broken, with the offending entry.
    func validate() throws(TokenizerError) {
        try validatePadding()
        try validateTexts()
        try validateTypes()
        try validateScores()
        try validateByteTokens()
        try validateEndOfGeneration()
        try validateSpecialTokens()
        try validateSlots(
            .textTable, count: layout.textSlotCount, entryCount: nil, limit: layout.tokenCount, textSlot)
        try validateMerges()
        try validateSlots(
            .mergeTable, count: layout.mergeSlotCount, entryCount: layout.mergeCount,
            limit: layout.mergeCount,
            mergeSlot)
    }

    private func validatePadding() throws(TokenizerError) {
        for offset in layout.offsets.padding.joined() where byte(at: offset) != 0 {
            throw TokenizerError(
                .size, found: "\(byte(at: offset))", expected: "zero", at: "the padding at byte \(offset)")
        }
    }

    private func validateTexts() throws(TokenizerError) {
        var previous = textOffset(0)
        var isSound = previous == 0 && textOffset(layout.tokenCount) == layout.textByteCount
        var longest = 0
        for index in 1...layout.tokenCount {
            let next = textOffset(index)
            isSound = (next >= previous) && isSound
            longest = max(longest, next &- previous)
            previous = next
        }
        if isSound && longest == layout.longestTokenByteCount { return }
        guard textOffset(0) == 0 else {
            throw TokenizerError(
                .texts, found: "\(textOffset(0))", expected: "0", at: "the first text offset")
        }
        for index in 1...layout.tokenCount where textOffset(index) < textOffset(index - 1) {
            throw TokenizerError(
                .texts, found: "\(textOffset(index))", expected: "at least \(textOffset(index - 1))",
                at: "text offset \(index)")
        }
        guard previous == layout.textByteCount else {
            throw TokenizerError(
                .texts, found: "\(previous)", expected: "\(layout.textByteCount)", at: "the last text offset")
        }
        throw TokenizerError(
            .texts, found: "\(longest) bytes", expected: "\(layout.longestTokenByteCount)",
            at: "the longest text")
    }

    private func validateTypes() throws(TokenizerError) {
        var isSound = true
        for index in 0..<layout.tokenCount { isSound = (typeByte(index) &- 1 < 6) && isSound }
        if isSound { return }
        for index in 0..<layout.tokenCount where typeByte(index) &- 1 >= 6 {
            throw TokenizerError(
                .types, found: "\(typeByte(index))", expected: "1 to 6", at: "the type of token \(index)")
        }
    }

    private func validateScores() throws(TokenizerError) {
        guard layout.kind == .sentencePieceBPE else { return }
        var isSound = true
        for index in 0..<layout.tokenCount { isSound = score(index).isFinite && isSound }
        if isSound { return }
        for index in 0..<layout.tokenCount where !score(index).isFinite {
            throw TokenizerError(
                .scores, found: "\(score(index))", expected: "a finite number",
                at: "the score of token \(index)")
        }
    }

    private func validateByteTokens() throws(TokenizerError) {
        for value in 0..<256 {
            let id = byteToken(UInt8(value))
            if id == -1 { continue }
            guard isToken(id) else {
                throw TokenizerError(
                    .byteTokens, found: "\(id)", expected: "a token or -1", at: "the token of byte \(value)")
            }
            let range = textRange(of: id)
            guard range.count == 1 && textByte(range.lowerBound) == value else {
                throw TokenizerError(
                    .byteTokens, found: "token \(id)", expected: "a token whose text is that byte",
                    at: "the token of byte \(value)")
            }
        }
    }

    private func validateEndOfGeneration() throws(TokenizerError) {
        var previous: Int32 = -1
        for index in 0..<layout.endOfGenerationCount {
            let id = endOfGenerationToken(index)
            guard isToken(id) && id > previous else {
                throw TokenizerError(
                    .endOfGeneration, found: "\(id)", expected: "a token above \(previous)",
                    at: "end token \(index)")
            }
            previous = id
        }
    }

    private func validateSpecialTokens() throws(TokenizerError) {
        var previous: Int32?
        var counts = [Int](repeating: 0, count: 256)
        for index in 0..<layout.specialCount {
            let id = specialToken(index)
            guard isToken(id), [.unknown, .control, .userDefined].contains(type(of: id)),
                !textRange(of: id).isEmpty, previous.map({ isText(of: $0, before: id) }) ?? true
            else {
                throw TokenizerError(
                    .specialTokens, found: "token \(id)",
                    expected: "an unknown, control or user-defined token, in the order of texts",
                    at: "special token \(index)")
            }
            counts[Int(textByte(textRange(of: id).lowerBound))] += 1
            previous = id
        }
        var start = 0
        for byte in 0...256 {
            guard firstByteIndex(byte) == start else {
                throw TokenizerError(
                    .specialTokens, found: "\(firstByteIndex(byte))", expected: "\(start)",
                    at: "the first special token that begins with \(byte)")
            }
            if byte < 256 { start += counts[byte] }
        }
    }

    /// Whether a token's text precedes another's strictly, byte by byte.
    private func isText(of first: Int32, before second: Int32) -> Bool {
        let (a, b) = (textRange(of: first), textRange(of: second))
        for index in 0..<min(a.count, b.count) {
            let (x, y) = (textByte(a.lowerBound + index), textByte(b.lowerBound + index))
            if x != y { return x < y }
        }
        return a.count < b.count
    }

    private func validateMerges() throws(TokenizerError) {
        let limit = UInt64(layout.tokenCount)
        func isSound(_ merge: UInt64) -> Bool {
            (merge & 0xF_FFFF < limit) && (merge >> 20 & 0xF_FFFF < limit) && (merge >> 40 < limit)
        }
        var allSound = true
        for rank in 0..<layout.mergeCount { allSound = isSound(merge(rank)) && allSound }
        if allSound { return }
        for rank in 0..<layout.mergeCount where !isSound(merge(rank)) {
            throw TokenizerError(
                .merges, found: "\(merge(rank))", expected: "three tokens of 20 bits", at: "merge \(rank)")
        }
    }

    /// Requires that slots refer to existing entries, and that enough are empty for every search to end.
    private func validateSlots(
        _ rule: TokenizerError.Rule, count: Int, entryCount: Int?, limit: Int, _ slot: (Int) -> UInt32
    ) throws(TokenizerError) {
        var occupiedCount = 0
        var isSound = true
        // A run that is too long fills at least one block.
        let blockLength = TableSlot.maximumRunLength / 2
        var hasFullBlock = false
        for start in stride(from: 0, to: count, by: blockLength) {
            let countBefore = occupiedCount
            for index in start..<min(start + blockLength, count) {
                let isOccupied = slot(index) != TableSlot.empty
                occupiedCount &+= isOccupied ? 1 : 0
                isSound = (!isOccupied || Int(slot(index) & TableSlot.indexMask) < limit) && isSound
            }
            hasFullBlock = hasFullBlock || occupiedCount - countBefore == blockLength
        }
        if !isSound {
            for index in 0..<count
            where slot(index) != TableSlot.empty && Int(slot(index) & TableSlot.indexMask) >= limit {
                throw TokenizerError(
                    rule, found: "entry \(slot(index) & TableSlot.indexMask)", expected: "less than \(limit)",
                    at: "slot \(index)")
            }
        }
        if let entryCount, occupiedCount != entryCount {
            throw TokenizerError(
                rule, found: "\(occupiedCount)", expected: "\(entryCount)", at: "the count of occupied slots")
        }
        guard occupiedCount * 4 <= count * 3 else {
            throw TokenizerError(
                rule, found: "\(occupiedCount) of \(count)", expected: "at most three quarters",
                at: "the count of occupied slots")
        }
        if hasFullBlock { try validateRuns(rule, count: count, slot) }
    }

    /// Limits the length of runs of occupied slots, also across the end of the table, and so the steps of a search.
    private func validateRuns(
        _ rule: TokenizerError.Rule, count: Int, _ slot: (Int) -> UInt32
    ) throws(TokenizerError) {
        var runLength = 0
        for index in 0..<2 * count {
            runLength = slot(index % count) == TableSlot.empty ? 0 : runLength + 1
            guard runLength <= TableSlot.maximumRunLength else {
                throw TokenizerError(
                    rule, found: "\(runLength) occupied slots in a row",
                    expected: "at most \(TableSlot.maximumRunLength)", at: "slot \(index % count)")
            }
        }
    }
}
