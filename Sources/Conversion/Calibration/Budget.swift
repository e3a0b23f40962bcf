// SPDX-License-Identifier: Apache-2.0
// Chooses an encoding for each matrix under a size limit from the user.

import Formats
import Glibc
import Quantization
import Tiller

/// How large a file may become.
package enum Budget: Sendable {
    /// The whole file, in bytes.
    case fileByteCount(Int)
    /// Bits per weight, counting the weights only.
    case bitsPerWeight(Double)

    /// Reserve for data written once the size is known: measured quality, tables.
    private static let reserveByteCount = 16_384

    /// Bytes available to the given matrices.
    ///
    /// - Parameters:
    ///   - file: the model in any encodings.
    ///   - byteCount: the size of the matrices in that file.
    ///   - least: their smallest possible size.
    /// - Throws: `TillerError.invalidOption` if even that is too large.
    func byteCount(beside file: TillerFile, with byteCount: Int, least: Int) throws(TillerError) -> Int {
        switch self {
        case .fileByteCount(let wanted):
            let others = file.byteCount - byteCount + Self.reserveByteCount
            guard wanted >= others + least else {
                throw .invalidOption(
                    "a file of \(Self.megabytes(wanted)) MB is too small for this model, expected at least "
                        + "\(Self.megabytes(others + least)) MB")
            }
            return wanted - others
        case .bitsPerWeight(let wanted):
            let weightCount = file.tensorIndex.entries.reduce(0) { $0 + $1.rows * $1.columns }
            let others = file.weights.count - byteCount
            let bits = Double(others + least) * 8 / Double(max(weightCount, 1))
            guard wanted >= bits else {
                throw .invalidOption(
                    "\(wanted) is too few bits per weight for this model, expected at least "
                        + "\((bits * 100).rounded(.up) / 100)")
            }
            return Int(min(wanted * Double(weightCount) / 8, 1e15)) - others
        }
    }

    /// Rounded up, so that the size named in an error suffices.
    private static func megabytes(_ count: Int) -> Double { (Double(count) / 1e5).rounded(.up) / 10 }
}

extension [RowSegment] {
    /// The segments in ascending order; adjacent segments with the same encoding are merged.
    package var joinedNeighbours: [RowSegment] {
        var result: [RowSegment] = []
        for segment in sorted(by: { $0.rows.lowerBound < $1.rows.lowerBound }) {
            if let last = result.last, last.rows.upperBound == segment.rows.lowerBound,
                last.encoding == segment.encoding
            {
                result[result.count - 1] = RowSegment(
                    last.rows.lowerBound..<segment.rows.upperBound, segment.encoding)
            } else {
                result.append(segment)
            }
        }
        return result
    }
}

extension Converter {
    /// The best choice of 3, 4, 5 or 8 bits for each matrix within a budget.
    ///
    /// - Parameters:
    ///   - exact: the source as a runnable model.
    ///   - output: the unnamed copies of the model are in this file's folder.
    ///   - lists: tokens of short texts on which every matrix is measured.
    ///   - texts: tokens of all kinds of text, which determine the tokens' probabilities.
    ///   - progress: called with (steps done, steps in all), each of about the same duration; false stops.
    /// - Throws: the errors of `convert`, or `TillerError` if the budget is too small.
    func allocating(
        _ budget: Budget, _ source: inout ModelSource, _ scaling: ScalingPlan?, exact: Engine,
        output: String,
        lists: [[Int32]], texts: [[Int32]], progress: (Int, Int) -> Bool
    ) throws -> EncodingChoice {
        let all = TensorGroup.all(layerCount: exact.model.configuration.layerCount)
        let textCount = min(texts.count, TokenShares.textCount)
        // For the progress bar: making a copy takes about as long as measuring this many matrices.
        let copySteps = 30
        var done = 0
        let total = 4 * copySteps + textCount + all.count
        func scratchCopy(_ encoding: TensorEncoding) throws -> Engine {
            let encodings = EncodingChoice(weights: encoding, head: encoding)
            let engine = try copy(&source, encodings, scaling, near: output) {
                progress(done + Int(Double(copySteps) * Double($0) / Double(max($1, 1))), total)
            }
            done += copySteps
            return engine
        }
        let best = try scratchCopy(.int8)
        let variants = try [TensorEncoding.int3, .int4, .int5].map { encoding in
            (encoding: encoding, file: try scratchCopy(encoding).file)
        }
        // Three bits degrade a matrix so much that they are tried only if four do not fit.
        let inFourBits = all.reduce(0) { $0 + $1.byteCount(in: variants[$1.isVocabulary ? 0 : 1].file) }
        let inEightBits = all.reduce(0) { $0 + $1.byteCount(in: best.file) }
        let isTight =
            (try? budget.byteCount(beside: best.file, with: inEightBits, least: inFourBits)) == nil
        let tokens = try TokenShares.measured(by: best, lists: texts) {
            done += 1
            return progress(done, total)
        }
        let allocation = try BitAllocation(
            all, best: best, exact: exact, lists: lists, tokens: tokens,
            variants: { $0.isVocabulary || isTight ? variants[...] : variants.dropFirst() },
            progress: { tried, _ in progress(done + tried, total) })
        guard progress(total, total) else { throw CancellationError() }
        let size = try budget.byteCount(
            beside: best.file, with: allocation.greatestByteCount, least: allocation.leastByteCount)
        let first = EncodingChoice(allocation.choice(byteCount: size))
        // Each segment has an entry in the index and starts at a multiple of 64.
        let vocabularyCount = best.file.tensorIndex.entries.count { $0.role.isVocabulary }
        let overhead = first.vocabularyExceptions.count * vocabularyCount * 96
        return EncodingChoice(allocation.choice(byteCount: size - overhead))
    }
}

extension EncodingChoice {
    /// int8 except for the groups of an allocation.
    fileprivate init(_ allocated: [(group: TensorGroup, encoding: TensorEncoding)]) {
        self.init(weights: .int8, head: .int8)
        var rows: [RowSegment] = []
        for (group, encoding) in allocated {
            if let own = group.rows {
                rows.append(RowSegment(own, encoding))
            } else {
                for key in group.keys { exceptions[key] = encoding }
            }
        }
        vocabularyExceptions = rows.joinedNeighbours
    }
}
