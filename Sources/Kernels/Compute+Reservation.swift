// SPDX-License-Identifier: Apache-2.0
// Room for what a model's evaluation will work in, before it begins: what the system refuses is then an error of whoever
// makes a session, and no evaluation has to stop halfway. The sizes are those that are predicted.

import Platform

extension Compute {
    /// Reserves what attention works in, and the angles of these tables.
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
