// SPDX-License-Identifier: Apache-2.0
// Taps (hooks) at which a forward pass can be observed and changed: the inputs of matrices, the outputs of heads, the updates of
// the residual stream, and the stream itself. The forward pass calls these by name and knows nothing else of steering and
// recording.

import Formats
import Kernels
import Steering

extension ForwardPass {
    /// Passes a matrix's input to the recorder of a calibration.
    ///
    /// - Parameters:
    ///   - form: the form in which the rows exist.
    ///   - rowCount: the rows; nil for one per token.
    func tap(
        _ input: MatrixInput, _ x: Activations, _ form: ActivationForm, _ segments: BatchSegments,
        rowCount: Int? = nil
    ) {
        segments.first.evaluation.inputs?.record(
            input, x, form: form, tokenCount: rowCount ?? segments.tokenCount)
    }

    /// Records the head's input for every token, also where no logits are requested.
    func tapHeadInput(_ segments: BatchSegments) {
        guard let inputs = segments.first.evaluation.inputs else { return }
        for row in stride(from: 0, to: segments.tokenCount, by: Scratch.headRows) {
            let count = min(Scratch.headRows, segments.tokenCount - row)
            normalizeHeadInput(firstRow: row, count: count)
            inputs.record(.head, scratch.headNormalized, form: .values, tokenCount: count)
        }
    }

    /// Whether the outputs of a layer's heads are recorded or steered: then they exist as values.
    func tapsHeads(layer: Int, _ segment: BatchSegment) -> Bool {
        segment.evaluation.headRecorder != nil
            || segment.evaluation.steering.acts(at: .headOutputs, layer: layer)
    }

    /// Steers the heads' outputs in Float and converts them to the form that the projection reads. Recorders receive them at the
    /// source's scale.
    func tapHeads(layer: Int, _ block: BlockWeights.Attention, _ segment: BatchSegment) {
        let (attentionOutput, evaluation, place) = (
            scratch.attentionOutput, segment.evaluation, segment.place
        )
        let work = 4 * attentionOutput.columns
        compute.forTokens(segment.rows.count, elementCount: work, firstRow: place.firstRow) { rows in
            evaluation.steering.apply(
                .headOutputs, layer: layer, to: attentionOutput.values, tokens: rows.tokens,
                sourceFactors: block.headFactors, place, with: compute)
            if block.output.inputForm == .codes { rows.quantize(attentionOutput) }
        }
        evaluation.headRecorder?.record(
            layer: layer, hidden: attentionOutput.values, scaledBy: block.headFactors,
            tokenCount: segment.rows.count,
            firstPosition: evaluation.firstPosition)
    }

    /// Steers the residual stream after a layer, once the gates have read it, and records it.
    func tapStream(layer: Int, _ segments: BatchSegments) {
        segments.forEach { steerStream(layer: layer, $0) }
        let evaluation = segments.first.evaluation
        evaluation.recorder?.record(
            layer: layer, hidden: scratch.hidden, tokenCount: segments.tokenCount,
            firstPosition: evaluation.firstPosition)
    }

    private func steerStream(layer: Int, _ segment: BatchSegment) {
        let (steering, hidden, place) = (segment.evaluation.steering, scratch.hidden, segment.place)
        let gates = place.gates.flatMap { $0.read(after: layer) ? $0 : nil }
        guard gates != nil || steering.acts(at: .residual, layer: layer) else { return }
        let work = 2 * model.configuration.hiddenSize
        compute.forTokens(segment.rows.count, elementCount: work, firstRow: place.firstRow) { rows in
            gates?.read(
                hidden, after: layer, tokens: rows.tokens, firstPosition: place.firstPosition,
                firstRow: place.firstRow, with: compute)
            steering.apply(.residual, layer: layer, to: hidden, tokens: rows.tokens, place, with: compute)
        }
    }
}
