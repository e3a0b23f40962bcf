// SPDX-License-Identifier: Apache-2.0
// The division of attention among threads: whole blocks of tokens if there are many, otherwise chunks of positions, so that
// a single token with a single head of the cache keeps all threads busy (split-K, as in Flash-Decoding). Both ways add in the
// same order.

import KernelCore
import Platform
import Synchronization

extension Compute {
    /// output[t, h] = Σ_p softmax_p(capped(scale · q[t, h] · k[p])) v[p], causal, with grouped-query attention (GQA).
    ///
    /// - query: [tokenCount × headCount × headSize], already rotated; head h reads head
    ///   h · keyValueHeadCount / headCount of the cache.
    /// - cache: Holds all positions up to the last token's.
    /// - firstPosition: The position of the first token; the others follow.
    /// - firstRow: The row of the query and of the output for the first token.
    /// - window: the token at position p sees max(0, p − window + 1)...p; nil for 0...p.
    /// - softcap: capped(x) = softcap · tanh(x / softcap); nil for x itself.
    /// - output: [tokenCount × headCount · headSize].
    /// - keyBias: The biases that cached keys omit.
    /// - form: The form of the output to write.
    /// - upcoming: as in `multiply`.
    /// - Precondition: the system grants the scratch memory, or it is reserved.
    package func attend(
        query: AlignedBuffer<Float>, cache: KeyValueCache, firstPosition: Int, tokenCount: Int,
        headCount: Int, scale: Float, window: Int?, softcap: Float? = nil, keyBias: KeyBias? = nil,
        firstRow: Int = 0, into output: Activations, form: ActivationForm,
        prefetching upcoming: PrefetchHint? = nil
    ) {
        precondition(
            headCount > 0 && headCount % cache.keyValueHeadCount == 0,
            "attend: \(headCount) heads do not share \(cache.keyValueHeadCount) evenly")
        precondition(output.columns == headCount * cache.headSize, "attend: output has the wrong width")
        precondition(window.map { $0 > 0 } ?? true, "attend: a window holds at least one position")
        precondition(softcap.map { $0 > 0 } ?? true, "attend: a soft cap is positive")
        precondition(
            firstPosition >= 0 && tokenCount >= 0 && firstPosition <= cache.capacity - tokenCount,
            "attend: positions beyond the cache")
        precondition(firstRow >= 0, "attend: a row cannot be negative")
        check(query, holds: firstRow + tokenCount, by: output.columns, "attend")
        check(output.values, holds: firstRow + tokenCount, by: output.columns, "attend")
        guard tokenCount > 0 else { return }
        let bias = keyBias.map { bias in
            precondition(
                bias.headSize == cache.headSize
                    && bias.rest.count == cache.keyValueHeadCount * cache.headSize,
                "attend: biases of other keys")
            let end = firstPosition + tokenCount
            return (bias, rotaryTiles(bias.rotary, upTo: end, capacity: cache.capacity))
        }
        let headsAreGroups = cache.headSize % groupColumns == 0
        let start = firstRow * output.columns
        let codes = form == .codes && headsAreGroups ? output.groups?.baseAddress : nil
        let attention = Attention(
            table: table, cache: cache, query: query.baseAddress + start,
            output: output.values.baseAddress + start, codes: codes.map { $0 + start / groupColumns },
            firstPosition: firstPosition, tokenCount: tokenCount, headCount: headCount, scale: scale,
            softcap: softcap, window: window ?? .max, bias: bias)
        let shape = attention.shape
        granted(
            try attentionScratch.reserve(
                threadCount: threadCount, rowCount: shape.rowCount, headSize: cache.headSize,
                biasPairCount: keyBias?.pairCount ?? 0))
        let unitCount = shape.unitCount
        let work = headCount * cache.headSize * attention.visible(0..<tokenCount).count * tokenCount / 2
        if threadCount == 1 || work < smallWork {
            for unit in 0..<unitCount { attendBlock(attention, unit, attentionScratch.rows[0]) }
        } else if !shape.sharesChunks(threadCount: threadCount) {
            forEachUnit(unitCount) { unit, thread in
                // The last blocks see the most positions: the expensive ones start first.
                attendBlock(attention, unitCount - 1 - unit, attentionScratch.rows[thread])
            }
        } else {
            attendChunks(attention, work: work, prefetching: tokenCount == 1 ? upcoming : nil)
        }
        if form == .codes, !headsAreGroups {
            // A group of 32 columns belongs to two heads, so it is quantized after both are complete.
            forTokens(tokenCount, elementCount: output.columns, firstRow: firstRow) { $0.quantize(output) }
        }
    }

    /// Computes one block of tokens and one head of the cache, chunk after chunk.
    private func attendBlock(_ attention: Attention, _ unit: Int, _ rows: AttentionRows) {
        let tokens = attention.tokens(ofBlock: unit / attention.cache.keyValueHeadCount)
        let head = unit % attention.cache.keyValueHeadCount
        attention.gatherQueries(rows, tokens, head: head)
        attention.clear(rows, tokens)
        for chunk in attention.chunks(attention.visible(tokens)) {
            attention.attend(
                rows, tokens, head: head, chunk: chunk, part: rows.part.baseAddress,
                states: rows.partStates.baseAddress)
            attention.merge(
                rows, tokens, chunk: chunk, part: rows.part.baseAddress, states: rows.partStates.baseAddress)
        }
        attention.finish(rows, tokens, head: head)
    }

    /// For few tokens, a unit is one chunk of one block and cache head; the last thread to finish merges the chunks in order.
    ///
    /// - work: Elements that all units read.
    private func attendChunks(_ attention: Attention, work: Int, prefetching upcoming: PrefetchHint?) {
        let heads = attention.cache.keyValueHeadCount
        let chunks = attention.chunks(attention.visible(0..<attention.tokenCount))
        let shape = attention.shape
        let rowCount = shape.rowCount, size = rowCount * shape.paddedHeadSize
        let indexCount = shape.unitCount
        let (parts, states) = granted(
            try attentionScratch.reserveParts(
                rowCount: shape.partRowCount(chunkCount: chunks.count, capacity: attention.cache.capacity),
                headSize: attention.cache.headSize))
        let all = attentionScratch.rows
        let unfinished = attentionScratch.unfinished
        unfinished.start(indexCount, each: chunks.count)

        func mergeChunks(_ visible: Range<Int>, _ index: Int, _ rows: AttentionRows) {
            let tokens = attention.tokens(ofBlock: index / heads)
            attention.clear(rows, tokens)
            for chunk in visible {
                let unit = index * chunks.count + chunk - chunks.lowerBound
                attention.merge(
                    rows, tokens, chunk: chunk, part: parts + unit * size, states: states + unit * rowCount)
            }
            attention.finish(rows, tokens, head: index % heads)
        }
        // A thread takes chunks that are consecutive in memory, so the memory that it prefetches is its own.
        split(indexCount * chunks.count, elementCount: work, prefetching: upcoming) { units, thread in
            let rows = all[thread]
            var first = units.lowerBound
            while first < units.upperBound {
                let index = first / chunks.count, head = index % heads
                let end = min((index + 1) * chunks.count, units.upperBound)
                let tokens = attention.tokens(ofBlock: index / heads)
                let visible = attention.chunks(attention.visible(tokens))
                // The chunks of one head read the same queries.
                attention.gatherQueries(rows, tokens, head: head)
                for unit in first..<end {
                    let chunk = chunks.lowerBound + unit % chunks.count
                    guard visible.contains(chunk) else { continue }
                    attention.attend(
                        rows, tokens, head: head, chunk: chunk, part: parts + unit * size,
                        states: states + unit * rowCount)
                }
                if unfinished.finish(end - first, of: index) { mergeChunks(visible, index, rows) }
                first = end
            }
        }
    }

    /// Gives the units 0..<count one after the other to the next free thread.
    private func forEachUnit(_ count: Int, _ body: (_ unit: Int, _ thread: Int) -> Void) {
        pool.run(preparing: { nextUnit.store(0, ordering: .relaxed) }) { thread in
            while true {
                let unit = nextUnit.add(1, ordering: .relaxed).oldValue
                if unit >= count { return }
                body(unit, thread)
            }
        }
    }
}
