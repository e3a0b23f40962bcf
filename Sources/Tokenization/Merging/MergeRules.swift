// SPDX-License-Identifier: Apache-2.0
// Two criteria for the next merge: the rank in a list of merges, or the score of the merged text.

/// Byte-level BPE: looks up the pair by its tokens; the earlier merge has priority.
struct RankedMerges: MergeRule {
    let tables: TokenizerTables

    @inline(__always)
    func join(_ left: Int32, _ right: Int32, _ text: Span<UInt8>, _ range: Range<Int>) -> Join {
        guard left >= 0 && right >= 0, let (rank, merged) = tables.merge(left: left, right: right) else {
            return .never
        }
        return Join(priority: rank, token: merged)
    }
}

/// SentencePiece BPE: looks up the pair by its text; the higher score has priority.
struct ScoredMerges: MergeRule {
    let tables: TokenizerTables

    @inline(__always)
    func join(_ left: Int32, _ right: Int32, _ text: Span<UInt8>, _ range: Range<Int>) -> Join {
        let token = tables.token(text, range)
        guard token >= 0 else { return .never }
        return Join(priority: Self.priority(of: tables.score(Int(token))), token: token)
    }

    /// A number that decreases as the score increases, never `.max`.
    ///
    /// The bits of a positive float increase with its value and those of a negative one decrease. Flipping the sign of the former
    /// and all bits of the latter gives an unsigned order; −0 counts as 0.
    @inline(__always)
    static func priority(of score: Float) -> UInt32 {
        let bits = (score + 0).bitPattern
        let ascending = bits >> 31 == 0 ? bits | 0x8000_0000 : ~bits
        return ~ascending
    }
}
