// SPDX-License-Identifier: Apache-2.0
// The steps of a mixture of experts. Each divides all chosen experts among the threads at once: with one token an expert alone is
// too little work for them.

import KernelCore
import Platform

extension Compute {
    /// Chooses the experts of all tokens.
    ///
    /// - Parameters:
    ///   - logits: [tokenCount × experts], overwritten.
    ///   - normalizes: whether the weights of a token's experts are divided by their sum.
    package func route(
        _ logits: AlignedBuffer<Float>, tokenCount: Int, normalizes: Bool, into routes: ExpertRoutes
    ) {
        let count = routes.expertCount
        check(logits, holds: tokenCount, by: count, "route")
        routes.start(tokenCount: tokenCount)
        split(tokenCount, elementCount: tokenCount * count * (8 + routes.usedCount)) { tokens in
            for token in tokens {
                routes.choose(token, logits: logits.baseAddress + token * count, normalizes: normalizes)
            }
        }
        routes.finish()
    }

    /// gathered[row] = x[token] for every row of the token, in the forms that the experts' matrices read.
    package func gather(
        _ x: Activations, _ routes: ExpertRoutes, values: Bool, codes: Bool, into gathered: Activations
    ) {
        let columns = x.columns
        precondition(
            gathered.columns == columns && routes.rowCount <= gathered.capacity, "gather: rows do not fit")
        let groupCount = columns / groupColumns
        split(routes.tokenCount, elementCount: routes.rowCount * columns) { tokens in
            for token in tokens {
                routes.forEachExpert(of: token) { _, row, _ in
                    if values {
                        (gathered.values.baseAddress + row * columns).update(
                            from: x.values.baseAddress + token * columns, count: columns)
                    }
                    if codes, let target = gathered.groups, let source = x.groups {
                        (target.baseAddress + row * groupCount).update(
                            from: source.baseAddress + token * groupCount, count: groupCount)
                    }
                }
            }
        }
    }

    /// output[row, r] = activation(Σ_c gate[e, r, c] · x[row, c]) · Σ_c up[e, r, c] · x[row, c], e the row's expert.
    ///
    /// - Parameters:
    ///   - gate: [experts · output.columns × x.columns], as `up`.
    ///   - x: [rows × columns] in the forms that the matrices read.
    ///   - form: the form of the output to write.
    package func multiplyGatedExperts(
        gate: WeightMatrix, up: WeightMatrix, activation: GateActivation, by x: Activations,
        _ routes: ExpertRoutes, into output: Activations, form: ActivationForm
    ) {
        let rowCount = output.columns
        checkExperts(gate, rowCount, x, routes)
        checkExperts(up, rowCount, x, routes)
        precondition(routes.rowCount <= output.capacity, "multiplyGatedExperts: more rows than activations")
        precondition(
            form == .values || output.groups != nil, "multiplyGatedExperts: 32 does not divide \(rowCount)")
        forExperts(routes, tileCount: rowCount / laneCount, elementCount: x.columns / 2) {
            active, tiles, thread in
            let scratch = gateScratch[thread]
            let first = active.expert * (rowCount / laneCount)
            scratch.forBlocks(of: active.rows, tiles) { rows, tiles in
                multiplyGated(
                    gate, up, activation, x, rows, first + tiles.lowerBound..<first + tiles.upperBound,
                    scratch, output, form, firstOutputRow: active.expert * rowCount)
            }
        }
    }

    /// output[row, r] = Σ_c w[e, r, c] · x[row, c], e the row's expert.
    ///
    /// - Parameters:
    ///   - w: [experts · rowCount × x.columns].
    ///   - rowCount: rows of an expert's matrix.
    ///   - output: [rows × rowCount].
    package func multiplyExperts(
        _ w: WeightMatrix, rowCount: Int, by x: Activations, _ routes: ExpertRoutes,
        into output: AlignedBuffer<Float>
    ) {
        checkExperts(w, rowCount, x, routes)
        check(output, holds: routes.rowCount, by: rowCount, "multiplyExperts")
        let blockRows = max(16, 192 * 1024 / x.columns / 16 * 16)
        forExperts(routes, tileCount: rowCount / laneCount, elementCount: x.columns / 4) {
            active, tiles, _ in
            let first = active.expert * (rowCount / laneCount)
            var row = active.rows.lowerBound
            while row < active.rows.upperBound {
                let rows = row..<min(row + blockRows, active.rows.upperBound)
                // Row 0 of the stacked matrix, whose product lies before the expert's.
                let origin = output.baseAddress + (rows.lowerBound - active.expert) * rowCount
                multiply(
                    w, x, rows, first + tiles.lowerBound..<first + tiles.upperBound, into: origin,
                    stride: rowCount)
                row = rows.upperBound
            }
        }
    }

    /// output[token, c] = Σ weight · rows[row, c] over the token's rows, in ascending order of their experts.
    package func combine(
        _ rows: AlignedBuffer<Float>, _ routes: ExpertRoutes, columns: Int, into output: AlignedBuffer<Float>
    ) {
        check(rows, holds: routes.rowCount, by: columns, "combine")
        check(output, holds: routes.tokenCount, by: columns, "combine")
        split(routes.tokenCount, elementCount: routes.rowCount * columns) { tokens in
            for token in tokens {
                let sum = output.baseAddress + token * columns
                sum.update(repeating: 0, count: columns)
                routes.forEachExpert(of: token) { _, row, weight in
                    table.addScaled(rows.baseAddress + row * columns, weight, sum, columns)
                }
            }
        }
    }

    private func checkExperts(
        _ w: WeightMatrix, _ rowCount: Int, _ x: Activations, _ routes: ExpertRoutes
    ) {
        precondition(
            w.columns == x.columns, "experts: \(w.columns) columns cannot read \(x.columns) activations")
        precondition(
            w.rows == routes.expertCount * rowCount && rowCount % laneCount == 0,
            "experts: \(w.rows) rows are not \(routes.expertCount) experts of \(rowCount) in whole tiles")
        precondition(routes.rowCount <= x.capacity, "experts: more rows than activations")
    }

    /// Divides the tiles of all experts that have tokens among the threads.
    ///
    /// - Parameters:
    ///   - tileCount: tiles of one expert.
    ///   - elementCount: a measure of the work for one weight row and one row of activations.
    private func forExperts(
        _ routes: ExpertRoutes, tileCount: Int, elementCount: Int,
        _ body: (_ active: ExpertRoutes.Active, _ tiles: Range<Int>, _ thread: Int) -> Void
    ) {
        let granularity = tileCount % Self.tileGranularity == 0 ? Self.tileGranularity : 1
        split(
            routes.activeCount * tileCount,
            elementCount: routes.rowCount * tileCount * laneCount * elementCount, granularity: granularity
        ) { part, thread in
            var tile = part.lowerBound
            while tile < part.upperBound {
                let (index, first) = tile.quotientAndRemainder(dividingBy: tileCount)
                let tiles = first..<min(tileCount, first + part.upperBound - tile)
                body(routes.active(index), tiles, thread)
                tile += tiles.count
            }
        }
    }
}
