// SPDX-License-Identifier: Apache-2.0
// Allocates the scratch memory of an evaluation when a session is created, with the sizes that the prediction uses. If the
// system refuses it, creating the session throws; an evaluation never stops halfway for lack of memory.

import Platform

extension Compute {
    /// Reserves the scratch memory of attention, and the angles of these tables.
    ///
    /// - Throws: `AllocationError`.
    package func reserve(_ attention: AttentionMemory, rotary tables: [RotaryTable]) throws(AllocationError) {
        let sizes = attention.rowSizes
        try attentionScratch.reserve(
            threadCount: threadCount, rowCount: sizes.rowCount, headSize: sizes.headSize,
            biasPairCount: sizes.biasPairCount)
        let partRowCount = attention.partRowCount(threadCount: threadCount)
        if partRowCount > 0 {
            try attentionScratch.reserveParts(rowCount: partRowCount, headSize: attention.headSize)
        }
        for table in tables {
            try reserveAngles(table, attention.longest)
            if attention.separatesBiases { try reserveRotaryTiles(table, capacity: attention.capacity) }
        }
    }
}
