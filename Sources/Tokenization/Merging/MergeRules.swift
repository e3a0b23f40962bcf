// SPDX-License-Identifier: Apache-2.0
// The two ways to decide which neighbours join: by a list of merges, or by the score of what they spell.

/// Byte-level BPE: the pair is looked up by its tokens; the earlier merge comes first.
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

/// SentencePiece BPE: the pair is looked up by its text; the higher score comes first.
struct ScoredMerges: MergeRule {
    let tables: TokenizerTables

    @inline(__always)
    func join(_ left: Int32, _ right: Int32, _ text: Span<UInt8>, _ range: Range<Int>) -> Join {
        let token = tables.token(text, range)
        guard token >= 0 else { return .never }
        return Join(priority: Self.priority(of: tables.score(Int(token))), token: token)
    }

    /// A number that falls as the score rises, never `.max`.
    ///
    /// The bits of a positive float grow with it and those of a negative one shrink, so flipping the sign of
    /// the former and all bits of the latter gives an unsigned order; −0 counts as 0.
    @inline(__always)
    static func priority(of score: Float) -> UInt32 {
        let bits = (score + 0).bitPattern
        let ascending = bits >> 31 == 0 ? bits | 0x8000_0000 : ~bits
        return ~ascending
    }
}
