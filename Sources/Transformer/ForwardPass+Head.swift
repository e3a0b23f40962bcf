// SPDX-License-Identifier: Apache-2.0
// From the residual stream after the last layer to logits.

import Kernels
import Platform

extension ForwardPass {
    func computeLogits(ofRow row: Int, into logits: AlignedBuffer<Float>) {
        normalizeHeadInput(firstRow: row, count: 1)
        // From here on the head is mapped and the cache grows token by token; neither should add to the memory of a long prompt,
        // no matter how many calls evaluated it.
        if hasFilledScratch, batchSize > 1 {
            scratch.release()
            hasFilledScratch = false
        }
        multiplyByHead(count: 1, into: logits)
        logits.finishLogits(count: logits.count, model.configuration)
    }

    func computeAllLogits(_ count: Int, _ visit: (Int, UnsafeBufferPointer<Float>) -> Void) {
        let vocabularySize = model.configuration.vocabularySize
        let block = granted(try scratch.reserveLogits(vocabularySize: vocabularySize))
        var row = 0
        while row < count {
            let rows = min(Scratch.headRows, count - row)
            normalizeHeadInput(firstRow: row, count: rows)
            multiplyByHead(count: rows, into: block)
            block.finishLogits(count: rows * vocabularySize, model.configuration)
            for index in 0..<rows {
                let start = block.baseAddress + index * vocabularySize
                visit(row + index, UnsafeBufferPointer(start: start, count: vocabularySize))
            }
            row += rows
        }
    }

    private func multiplyByHead(count: Int, into output: AlignedBuffer<Float>) {
        compute.multiply(model.output, by: scratch.headNormalized, tokenCount: count, into: output)
    }

    /// headNormalized = RMSNorm(hidden) of some rows, in the forms that the head reads.
    func normalizeHeadInput(firstRow: Int, count: Int) {
        let hiddenSize = model.configuration.hiddenSize
        scratch.headInput.copy(from: scratch.hidden, at: firstRow * hiddenSize, count: count * hiddenSize)
        compute.forTokens(count, elementCount: 4 * hiddenSize) { rows in
            rows.normalize(
                scratch.headInput, weight: model.outputNorm, epsilon: model.configuration.rmsNormEpsilon,
                into: scratch.headNormalized)
            if model.output.inputForm == .codes { rows.quantize(scratch.headNormalized) }
        }
    }
}
