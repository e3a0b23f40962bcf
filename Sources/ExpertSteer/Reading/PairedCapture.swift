// SPDX-License-Identifier: Apache-2.0
// A target and an expert read the same texts. The expert is a model, or states that somebody harvested from one.

import Evaluation
import Formats
import Glibc
import Platform
import Tiller

/// Where an expert's states come from.
package enum ExpertSource {
    case model(Engine)
    case harvested(ActivationSet)
}

/// Gets both models' states.
package struct PairedCapture {
    private let list: Corpus
    private let position: PositionRule
    private let progress: ExpertProgressHandler

    package init(list: Corpus, position: PositionRule, progress: @escaping ExpertProgressHandler) {
        self.list = list
        self.position = position
        self.progress = progress
    }

    /// What a reading found.
    package struct Result {
        package let states: SharedStates
        /// The rows that are used.
        package let list: Corpus
        package let position: PositionRule
        /// Of the target, as `ActivationCapture.Result` has it.
        package let residualRMS: [Float]
    }

    /// Lets both read.
    ///
    /// - Parameters:
    ///   - maximumPairCount: pairs that are used, spread evenly over all; likewise texts.
    ///   - expert: loads the expert when it is its turn, so that one model at a time is in memory.
    /// - Throws: `TillerError` for data that cannot be used and states of other data, `FormatError`, `FileError`.
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
                "the expert's states are of other texts: \(header.pairCount) pairs and \(header.textCount) texts of "
                    + "the hash \("\(header.dataHash)".prefix(12))…, here are \(list.pairs.count) and "
                    + "\(list.texts.count), hash \("\(list.dataHash)".prefix(12))…")
        }
        guard header.position == position else {
            throw .invalidOption(
                "the expert's states were captured with the position '\(header.position)', here it is '\(position)'"
            )
        }
    }

    /// Captures into a file without a name, which goes with the last reference.
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

    /// Pairs to use, spread evenly. Where the sides are two fixed answers such as Yes and No, as many pairs have the one
    /// on the positive side as the other: otherwise the answer would be learned instead of the concept.
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
