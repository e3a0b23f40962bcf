// SPDX-License-Identifier: Apache-2.0
// Attention of a block of tokens over one chunk of positions for one head of the cache, as in FlashAttention. The query heads
// that share this head (grouped-query attention, GQA) are computed together, as rows of one matrix product.

import KernelCore
import Platform

/// The shape of one attention call, and the computation of its parts.
struct Attention {
    /// Positions per chunk.
    ///
    /// Chunks begin at fixed positions: results depend neither on how a prompt is divided into batches
    /// nor on the number of threads.
    static let chunkSize = KeyValueCache.chunkSize
    let table: KernelTable
    let cache: KeyValueCache
    let query: UnsafePointer<Float>
    let output: UnsafeMutablePointer<Float>
    /// The destination of the output in its 8-bit form; nil for Float output.
    let codes: UnsafeMutablePointer<QuantizedGroup>?
    let firstPosition: Int
    let tokenCount: Int
    let headCount: Int
    let scale: Float
    /// The soft cap of the scaled scores; nil for none.
    let softcap: Float?
    /// Positions that a token sees, including its own.
    let window: Int
    /// The biases that cached keys omit, and the angles of all positions.
    let bias: (keys: KeyBias, tiles: RotaryTiles)?

    var shape: AttentionShape {
        AttentionShape(
            headCount: headCount, keyValueHeadCount: cache.keyValueHeadCount, headSize: cache.headSize,
            tokenCount: tokenCount)
    }
    var groupSize: Int { headCount / cache.keyValueHeadCount }
    var paddedHeadSize: Int { paddedSize(cache.headSize) }

    func tokens(ofBlock block: Int) -> Range<Int> {
        let blockTokens = shape.blockTokens
        return block * blockTokens..<min((block + 1) * blockTokens, tokenCount)
    }

    /// The positions that a token sees.
    func visible(_ token: Int) -> Range<Int> {
        let position = firstPosition + token
        return max(0, position - window + 1)..<position + 1
    }

    /// The positions that at least one token of a range sees.
    func visible(_ tokens: Range<Int>) -> Range<Int> {
        visible(tokens.lowerBound).lowerBound..<visible(tokens.upperBound - 1).upperBound
    }

    /// The chunks that contain these positions.
    func chunks(_ positions: Range<Int>) -> Range<Int> {
        positions.lowerBound / Self.chunkSize..<(positions.upperBound - 1) / Self.chunkSize + 1
    }

    /// Collects the scaled queries of a block: rows.queries[t · groupSize + h] = scale · q[t, head · groupSize + h].
    func gatherQueries(_ rows: AttentionRows, _ tokens: Range<Int>, head: Int) {
        let size = groupSize * cache.headSize
        for (row, token) in tokens.enumerated() {
            let source = query + (token * headCount + head * groupSize) * cache.headSize
            table.scale(source, scale, rows.queries.baseAddress + row * size, size)
        }
        if cache.encoding == .int8 {
            table.quantize(
                rows.queries.baseAddress, rows.codes.baseAddress, tokens.count * size / groupColumns)
        }
        bias?.keys.fillFactors(
            head: head, queries: rows.queries.baseAddress, rowCount: tokens.count * groupSize,
            into: rows.biasFactors.baseAddress)
    }

    /// part[r] = Σ_p e^(score[r, p] − max) · value[p] over the positions of one chunk, states[r] = (max, Σ e^…).
    ///
    /// - part: [rows × padded headSize]
    /// - states: [rows]; a row that sees no position of the chunk gets −∞.
    func attend(
        _ rows: AttentionRows, _ tokens: Range<Int>, head: Int, chunk: Int, part: UnsafeMutablePointer<Float>,
        states: UnsafeMutablePointer<SoftmaxState>
    ) {
        let start = chunk * Self.chunkSize
        let seen = visible(tokens).clamped(to: start..<start + Self.chunkSize)
        // Round to whole groups of 32 positions.
        let tiles =
            (seen.lowerBound - start) / groupColumns * 2..<((seen.upperBound - start - 1) / groupColumns + 1)
            * 2
        let rowCount = tokens.count * groupSize
        multiplyKeys(rows, rowCount, head: head, chunkStart: start, tiles)
        let exponents = cache.exponents
        scaleScores(
            rows, rowCount, chunkStart: start, tiles, by: exponents.ofKeys(head: head))
        addKeyBias(rows, rowCount, head: head, chunkStart: start, tiles)
        capScores(rows, rowCount, tiles)
        let ahead = values(ofChunkAt: start, head: head)
        for (i, token) in tokens.enumerated() {
            let lanes = start + tiles.lowerBound * laneCount..<start + tiles.upperBound * laneCount
            let mine = visible(token).clamped(to: lanes)
            let row = i * groupSize
            table.softmax(
                ScoreRows(
                    scores: rows.scores.baseAddress
                        + (row * Self.chunkSize + tiles.lowerBound * laneCount),
                    stride: Self.chunkSize, rowCount: groupSize, count: lanes.count,
                    firstVisible: mine.lowerBound - lanes.lowerBound,
                    endVisible: mine.upperBound - lanes.lowerBound, states: states + row,
                    ahead: ahead))
        }
        scaleScores(
            rows, rowCount, chunkStart: start, tiles, by: exponents.ofValues(head: head))
        switch cache.encoding {
        case .float32:
            multiplyValues(table.multiplyFloat32, rows, rowCount, head: head, seen, start, into: part)
        case .float16:
            multiplyValues(table.multiplyFloat16, rows, rowCount, head: head, seen, start, into: part)
        case .int8:
            let groups = tiles.lowerBound / 2..<tiles.upperBound / 2
            multiplyCodedValues(rows, rowCount, head: head, groups, start, into: part)
        }
    }

    /// rows.scores[r, p] = query[r] · key[p] for some tiles of a chunk.
    private func multiplyKeys(
        _ rows: AttentionRows, _ rowCount: Int, head: Int, chunkStart: Int, _ tiles: Range<Int>
    ) {
        let isInt8 = cache.encoding == .int8
        let product = TileProduct(
            tiles: cache.keyTiles(head: head) + chunkStart / laneCount * cache.keyTileByteCount,
            tileByteCount: cache.keyTileByteCount,
            columnByteCount: laneCount * (cache.encoding == .float16 ? 2 : 4),
            columnCount: cache.headSize, rowCount: Self.chunkSize,
            input: isInt8
                ? UnsafeRawPointer(rows.codes.baseAddress) : UnsafeRawPointer(rows.queries.baseAddress),
            inputStride: isInt8 ? cache.headSize / groupColumns : cache.headSize,
            output: rows.scores.baseAddress, outputStride: Self.chunkSize, tokenCount: rowCount)
        switch cache.encoding {
        case .float32: table.multiplyFloat32(product, tiles.lowerBound, tiles.upperBound)
        case .float16: table.multiplyFloat16(product, tiles.lowerBound, tiles.upperBound)
        case .int8: table.multiplyKeys(product, tiles.lowerBound, tiles.upperBound)
        }
    }

    /// rows.scores[r, p] += query[r] · (rotated bias of p) for some tiles of a chunk.
    private func addKeyBias(
        _ rows: AttentionRows, _ rowCount: Int, head: Int, chunkStart: Int, _ tiles: Range<Int>
    ) {
        guard let bias else { return }
        let own = bias.keys.firstPairs[head]..<bias.keys.firstPairs[head + 1]
        bias.keys.pairs.withUnsafeBufferPointer { pairs in
            guard !own.isEmpty, let pairs = pairs.baseAddress else { return }
            table.addKeyBias(
                KeyBiasScores(
                    scores: rows.scores.baseAddress + tiles.lowerBound * laneCount,
                    stride: Self.chunkSize, rowCount: rowCount, tileCount: tiles.count,
                    angles: bias.tiles.tile(chunkStart / laneCount + tiles.lowerBound),
                    angleStride: bias.keys.rotary.storage.tileElementCount, pairs: pairs + own.lowerBound,
                    pairCount: own.count, factors: rows.biasFactors.baseAddress))
        }
    }

    /// rows.scores[r, p] = cap · tanh(rows.scores[r, p] / cap) for some tiles of a chunk.
    private func capScores(_ rows: AttentionRows, _ rowCount: Int, _ tiles: Range<Int>) {
        guard let softcap else { return }
        for row in 0..<rowCount {
            let first = row * Self.chunkSize + tiles.lowerBound * laneCount
            table.softcap(rows.scores.baseAddress + first, softcap, tiles.count * laneCount)
        }
    }

    /// part[r, c] = Σ_p rows.scores[r, p] · value[p, c]: rows of this product are channels, columns are positions.
    private func multiplyValues(
        _ multiply: KernelTable.Product, _ rows: AttentionRows, _ rowCount: Int, head: Int,
        _ positions: Range<Int>, _ chunkStart: Int, into part: UnsafeMutablePointer<Float>
    ) {
        let product = TileProduct(
            tiles: cache.valueRows(head: head) + positions.lowerBound * cache.valueByteCount,
            tileByteCount: laneCount * (cache.encoding == .float16 ? 2 : 4),
            columnByteCount: cache.valueByteCount, columnCount: positions.count, rowCount: paddedHeadSize,
            input: UnsafeRawPointer(rows.scores.baseAddress + (positions.lowerBound - chunkStart)),
            inputStride: Self.chunkSize, output: part, outputStride: paddedHeadSize, tokenCount: rowCount)
        multiply(product, 0, paddedHeadSize / laneCount)
    }

    /// The same for 8-bit values: scores times scales are quantized to codes, and the product uses integers only.
    ///
    /// - groups: Groups of 32 positions, counted within the chunk.
    private func multiplyCodedValues(
        _ rows: AttentionRows, _ rowCount: Int, head: Int, _ groups: Range<Int>, _ chunkStart: Int,
        into part: UnsafeMutablePointer<Float>
    ) {
        let chunk = cache.valueRows(head: head) + chunkStart * cache.valueByteCount
        let scaleByteStride = cache.headSize * 2
        let channelGroups = cache.headSize / groupColumns
        table.quantizeScores(
            ScaledScores(
                scores: rows.scores.baseAddress + groups.lowerBound * groupColumns,
                scoreStride: Self.chunkSize, rowCount: rowCount, groupCount: groups.count,
                scales: chunk + groups.lowerBound * scaleByteStride, scaleByteStride: scaleByteStride,
                channelGroupCount: channelGroups, output: rows.weights.baseAddress,
                ahead: keys(behindChunkAt: chunkStart, head: head)))
        let product = TileProduct(
            tiles: chunk + (cache.valueScaleByteCount + groups.lowerBound * 512),
            tileByteCount: cache.valueTileByteCount, columnByteCount: 0,
            columnCount: groups.count * groupColumns, rowCount: cache.headSize,
            input: UnsafeRawPointer(rows.weights.baseAddress), inputStride: channelGroups * groups.count,
            output: part, outputStride: paddedHeadSize, tokenCount: rowCount)
        table.multiplyValues(product, 0, cache.headSize / laneCount)
    }

    /// The values that a single token reads next, to prefetch during softmax: about as many as arrive in that time.
    private func values(ofChunkAt start: Int, head: Int) -> PrefetchCursor {
        let rows = cache.valueRows(head: head) + start * cache.valueByteCount
        let byteCount = min(Self.chunkSize * cache.valueByteCount, 8192)
        return PrefetchCursor(rows, byteCount: tokenCount == 1 ? byteCount : 0)
    }

    /// The keys of the next chunk that the product of this chunk's keys has not prefetched yet.
    private func keys(behindChunkAt start: Int, head: Int) -> PrefetchCursor {
        let next = (start + Self.chunkSize) / laneCount * cache.keyTileByteCount
        let byteCount = Self.chunkSize / laneCount * cache.keyTileByteCount - prefetchDistance
        return PrefetchCursor(
            cache.keyTiles(head: head) + (next + prefetchDistance),
            byteCount: tokenCount == 1 ? min(max(byteCount, 0), 4096) : 0)
    }

    /// Clears the totals of a block.
    func clear(_ rows: AttentionRows, _ tokens: Range<Int>) {
        let rowCount = tokens.count * groupSize
        rows.total.baseAddress.update(repeating: 0, count: rowCount * paddedHeadSize)
        rows.totalStates.baseAddress.update(
            repeating: SoftmaxState(largest: -.infinity, sum: 0), count: rowCount)
    }

    /// Adds the partial result of one chunk to the totals of a block.
    func merge(
        _ rows: AttentionRows, _ tokens: Range<Int>, chunk: Int, part: UnsafePointer<Float>,
        states: UnsafePointer<SoftmaxState>
    ) {
        let positions = chunk * Self.chunkSize..<(chunk + 1) * Self.chunkSize
        for (i, token) in tokens.enumerated() where visible(token).overlaps(positions) {
            for row in i * groupSize..<(i + 1) * groupSize {
                table.mergeSoftmax(
                    part + row * paddedHeadSize, states + row, rows.total.baseAddress + row * paddedHeadSize,
                    rows.totalStates.baseAddress + row, paddedHeadSize)
            }
        }
    }

    /// output[t, head · groupSize + h] = total / Σ e^(score − max).
    func finish(_ rows: AttentionRows, _ tokens: Range<Int>, head: Int) {
        for (i, token) in tokens.enumerated() {
            for h in 0..<groupSize {
                let row = i * groupSize + h
                let total = rows.total.baseAddress + row * paddedHeadSize
                let offset = (token * headCount + head * groupSize + h) * cache.headSize
                let factor = 1 / rows.totalStates.baseAddress[row].sum
                guard let codes else {
                    table.scale(total, factor, output + offset, cache.headSize)
                    continue
                }
                table.scale(total, factor, total, cache.headSize)
                table.quantize(
                    total, codes + offset / groupColumns, cache.headSize / groupColumns)
            }
        }
    }
}
