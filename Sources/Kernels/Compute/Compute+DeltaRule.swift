// SPDX-License-Identifier: Apache-2.0
// Linear attention by the gated delta rule, token by token: a thread keeps whole heads, whose states stay in its caches.

import Glibc
import KernelCore
import Platform

/// Sizes of a delta rule.
package struct DeltaRuleShape: Sendable {
    let keyHeadCount, valueHeadCount, keyHeadSize, valueHeadSize: Int
    let cyclesKeyHeads: Bool

    /// - Parameter cyclesKeyHeads: whether value head i has the key head i modulo their number; otherwise consecutive value heads
    ///   share one.
    package init(
        keyHeadCount: Int, valueHeadCount: Int, keyHeadSize: Int, valueHeadSize: Int, cyclesKeyHeads: Bool
    ) {
        precondition(valueHeadCount % keyHeadCount == 0, "DeltaRuleShape: value heads without a key head")
        self.keyHeadCount = keyHeadCount
        self.valueHeadCount = valueHeadCount
        self.keyHeadSize = keyHeadSize
        self.valueHeadSize = valueHeadSize
        self.cyclesKeyHeads = cyclesKeyHeads
    }

    var channelCount: Int { 2 * keyHeadCount * keyHeadSize + valueHeadCount * valueHeadSize }

    func keyHead(of valueHead: Int) -> Int {
        cyclesKeyHeads ? valueHead % keyHeadCount : valueHead / (valueHeadCount / keyHeadCount)
    }
}

extension Compute {
    /// For each token and value head, with q and k of length 1 and q divided by √keyHeadSize:
    ///
    ///     S = exp(rate · softplus(decay + bias)) · S;  S += k ⊗ (sigmoid(beta) · (v − S · k));  output = S · q
    ///
    /// - Parameters:
    ///   - channels: queries, keys and values of each token side by side [tokens × channels]; queries and keys are overwritten.
    ///   - beta, decay: [tokens × value heads].
    ///   - decayBias, decayRate: [value heads].
    ///   - state: [value heads × keyHeadSize × valueHeadSize].
    ///   - rows: the tokens of one sequence in the batch.
    ///   - output: its `values` are written [tokens × value heads · valueHeadSize].
    package func applyDeltaRule(
        _ shape: DeltaRuleShape, channels: AlignedBuffer<Float>, beta: AlignedBuffer<Float>,
        decay: AlignedBuffer<Float>, decayBias: WeightVector, decayRate: WeightVector,
        state: UnsafeMutableBufferPointer<Float>, rows: Range<Int>, into output: Activations
    ) {
        let (heads, count) = (shape.valueHeadCount, rows.upperBound)
        check(channels, holds: count, by: shape.channelCount, "applyDeltaRule")
        check(beta, holds: count, by: heads, "applyDeltaRule")
        check(decay, holds: count, by: heads, "applyDeltaRule")
        check(output.values, holds: count, by: output.columns, "applyDeltaRule")
        let stateSize = shape.keyHeadSize * shape.valueHeadSize
        precondition(
            output.columns == heads * shape.valueHeadSize && state.count == heads * stateSize
                && decayBias.count == heads && decayRate.count == heads, "applyDeltaRule: sizes differ")
        guard let state = state.baseAddress else { return }
        unitKeys(shape, channels, rows)
        split(heads, elementCount: rows.count * heads * stateSize * 4) { part in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: shape.valueHeadSize) { change in
                guard let change = change.baseAddress else { return }
                for head in part {
                    let rate = decayRate.baseAddress[head], bias = decayBias.baseAddress[head]
                    for row in rows {
                        let x = Double(decay[row * heads + head] + bias)
                        // softplus, in the form that does not overflow.
                        let softplus = max(x, 0) + log1p(exp(-abs(x)))
                        step(
                            shape, channels.baseAddress + row * shape.channelCount, head: head,
                            decay: Float(exp(Double(rate) * softplus)),
                            beta: Float(1 / (1 + exp(-Double(beta[row * heads + head])))),
                            state + head * stateSize, change,
                            output.values.baseAddress + row * output.columns + head * shape.valueHeadSize)
                    }
                }
            }
        }
    }

    /// Scales each query and key to length 1, and queries by 1/√keyHeadSize.
    private func unitKeys(_ shape: DeltaRuleShape, _ channels: AlignedBuffer<Float>, _ rows: Range<Int>) {
        let size = shape.keyHeadSize, scale = 1 / Float(size).squareRoot()
        split(rows.count, elementCount: rows.count * 4 * shape.keyHeadCount * size) { part in
            for row in part {
                let x = channels.baseAddress + (rows.lowerBound + row) * shape.channelCount
                for head in 0..<2 * shape.keyHeadCount {
                    let own = x + head * size
                    let length = (table.dot(own, own, size) + 1e-6).squareRoot()
                    table.scale(own, (head < shape.keyHeadCount ? scale : 1) / length, own, size)
                }
            }
        }
    }

    /// One token of one head.
    private func step(
        _ shape: DeltaRuleShape, _ channels: UnsafeMutablePointer<Float>, head: Int, decay: Float,
        beta: Float, _ state: UnsafeMutablePointer<Float>, _ change: UnsafeMutablePointer<Float>,
        _ output: UnsafeMutablePointer<Float>
    ) {
        let (keySize, size) = (shape.keyHeadSize, shape.valueHeadSize)
        let query = channels + shape.keyHead(of: head) * keySize
        let key = query + shape.keyHeadCount * keySize
        let value = channels + 2 * shape.keyHeadCount * keySize + head * size
        table.scale(state, decay, state, keySize * size)
        change.update(from: value, count: size)
        for index in 0..<keySize { table.addScaled(state + index * size, -key[index], change, size) }
        table.scale(change, beta, change, size)
        output.update(repeating: 0, count: size)
        for index in 0..<keySize {
            table.addScaled(change, key[index], state + index * size, size)
            table.addScaled(state + index * size, query[index], output, size)
        }
    }
}

extension TokenRows {
    /// x[t, c] = silu(gate[t, c]) · x[t, c].
    package func gateSilu(_ gate: AlignedBuffer<Float>, _ x: Activations) {
        check(gate, x.columns, "gateSilu")
        let start = tokens.lowerBound * x.columns, values = x.values.baseAddress + start
        compute.table.gateSilu(gate.baseAddress + start, values, values, tokens.count * x.columns)
    }

    /// x[t, c] = sigmoid(gate[t, c]) · x[t, c].
    package func gateSigmoid(_ gate: AlignedBuffer<Float>, _ x: Activations) {
        check(gate, x.columns, "gateSigmoid")
        for index in tokens.lowerBound * x.columns..<tokens.upperBound * x.columns {
            x.values[index] *= Float(1 / (1 + exp(-Double(gate[index]))))
        }
    }
}
