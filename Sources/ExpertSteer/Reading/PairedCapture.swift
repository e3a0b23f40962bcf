// SPDX-License-Identifier: Apache-2.0
// A target and an expert read the same texts. The expert is a model, or previously harvested states of one.

import Evaluation
import Formats
import Glibc
import Platform
import Tiller

/// The source of an expert's states.
package enum ExpertSource {
    case model(Engine)
    case harvested(ActivationSet)
}

/// Captures or loads the states of both models.
package struct PairedCapture {
    private let list: Corpus
    private let position: PositionRule
    private let progress: ExpertProgressHandler

    package init(list: Corpus, position: PositionRule, progress: @escaping ExpertProgressHandler) {
        self.list = list
        self.position = position
        self.progress = progress
    }

    /// The result of a reading.
    package struct Result {
        package let states: SharedStates
        /// The rows in use.
        package let list: Corpus
        package let position: PositionRule
        /// The target's residual RMS, see `ActivationCapture.Result`.
        package let residualRMS: [Float]
    }

    /// Captures the states of both models.
    ///
    /// - Parameters:
    ///   - maximumPairCount: pairs to use, evenly spaced; the limit holds for texts too.
    ///   - expert: loads the expert when its turn comes, so that only one model at a time is in memory.
    /// - Throws: `TillerError` for unusable data and for states of other data, `FormatError`, `FileError`.
    package func read(
        target: Engine, maximumPairCount: Int, maximumTextCount: Int, expert: () throws -> ExpertSource
    ) throws -> Result {
        guard !list.pairs.isEmpty else {
            throw TillerError.invalidOption("there is no pair to learn from")
        }
        let numbers = Self.balanced(list.pairs, maximumCount: maximumPairCount)
        let (chosen, places) = list.selecting(pairs: numbers, textCount: maximumTextCount)
        let expertSet: ActivationSet
        var expertRows = Array(chosen.rows.indices)
        switch try expert() {
        case .harvested(let set):
            try check(set)
            (expertSet, expertRows) = (set, places)
        case .model(let engine):
            expertSet = try capture(engine, chosen).set
        }
        let (targetSet, result) = try capture(target, chosen)
        let states = try SharedStates(
            list: chosen, target: targetSet, targetRows: Array(chosen.rows.indices), expert: expertSet,
            expertRows: expertRows)
        return Result(
            states: states, list: chosen, position: position, residualRMS: result.residualRMS)
    }

    private func check(_ set: ActivationSet) throws(TillerError) {
        let header = set.header
        guard header.dataHash == list.dataHash else {
            throw .invalidOption(
                "the expert's states are of other texts: \(header.pairCount) pairs and \(header.textCount) texts with "
                    + "the hash \("\(header.dataHash)".prefix(12))…, here are \(list.pairs.count) and "
                    + "\(list.texts.count), hash \("\(list.dataHash)".prefix(12))…")
        }
        guard header.position == position else {
            throw .invalidOption(
                "the expert's states were captured with the position '\(header.position)', here it is '\(position)'"
            )
        }
    }

    /// Captures into a temporary file. Its name is removed once it is open, its data with the last reference.
    private func capture(
        _ engine: Engine, _ list: Corpus
    ) throws -> (set: ActivationSet, result: ActivationCapture.Result) {
        let capture = try ActivationCapture(engine: engine, position: position)
        let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        let path = "\(folder)/tiller-states-\(getpid())-\(UInt32.random(in: 0...(.max))).safetensors"
        let what = ExpertProgress.capturing(model: engine.modelName)
        return try Termination.removing(path) {
            let result = try capture.capture(list, to: path, replaceExisting: false) {
                try progress(what, $0, $1)
            }
            return (try ActivationSet(paths: [path]), result)
        }
    }

    /// Pairs to use, evenly spaced. If the sides are two fixed answers such as Yes and No, each of them is positive in
    /// equally many pairs; otherwise the direction would encode the answer instead of the concept.
    static func balanced(_ pairs: [ContrastivePair], maximumCount: Int) -> [Int] {
        let all = Array(pairs.indices)
        guard let first = pairs.first else { return [] }
        let same = all.filter { pairs[$0].positive == first.positive && pairs[$0].negative == first.negative }
        let other = all.filter {
            pairs[$0].positive == first.negative && pairs[$0].negative == first.positive
        }
        guard same.count >= 4, other.count >= 4, same.count + other.count == pairs.count else {
            return all.spread(maximumCount)
        }
        let count = min(same.count, other.count, max(maximumCount / 2, 1))
        return zip(same.spread(count), other.spread(count)).flatMap { [$0, $1] }
    }
}
