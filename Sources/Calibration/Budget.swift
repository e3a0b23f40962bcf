// SPDX-License-Identifier: Apache-2.0
// From a size that the user wants to an encoding for each matrix.

import Conversion
import Formats
import Glibc
import Quantization
import Tiller

/// How large a file may become.
package enum Budget: Sendable {
    /// The whole file, in bytes.
    case fileByteCount(Int)
    /// Bits of the weights alone, by weight.
    case bitsPerWeight(Double)

    /// What is written after the size is known: measured quality, tables.
    private static let reserveByteCount = 16_384

    /// Bytes left for 8-bit matrices beside the smallest file.
    ///
    /// - Throws: `TillerError.invalidOption` where even that is too large.
    func spareByteCount(beside low: TillerFile) throws(TillerError) -> Int {
        switch self {
        case .fileByteCount(let wanted):
            let smallest = low.byteCount + Self.reserveByteCount
            guard wanted >= smallest else {
                throw .invalidOption(
                    "a file of \(Self.megabytes(wanted)) MB is too small for this model, expected at least "
                        + "\(Self.megabytes(smallest)) MB")
            }
            return wanted - smallest
        case .bitsPerWeight(let wanted):
            let weightCount = low.tensorIndex.entries.reduce(0) { $0 + $1.rows * $1.columns }
            let bits = Double(low.weights.count) * 8 / Double(max(weightCount, 1))
            let spare = (wanted - bits) * Double(weightCount) / 8
            guard spare >= 0 else {
                throw .invalidOption(
                    "\(wanted) bits by weight are too few for this model, expected at least "
                        + "\((bits * 100).rounded(.up) / 100)")
            }
            return Int(min(spare, 1e15))
        }
    }

    /// Rounded up, so that what an error asks for is enough.
    private static func megabytes(_ count: Int) -> Double { (Double(count) / 1e5).rounded(.up) / 10 }
}

extension [Range<Int>] {
    /// Ascending, ranges that touch made one.
    package var joinedNeighbours: [Range<Int>] {
        var result: [Range<Int>] = []
        for range in sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = result.last, last.upperBound == range.lowerBound {
                result[result.count - 1] = last.lowerBound..<range.upperBound
            } else {
                result.append(range)
            }
        }
        return result
    }
}

extension Converter {
    /// The best choice between 4 and 8 bits for each matrix within a budget.
    ///
    /// - Parameters:
    ///   - scratch: a name beside which copies of the model lie for a while.
    ///   - lists: tokens of short texts on which every matrix is tried.
    ///   - texts: tokens of all kinds of text, which say how likely each token is.
    ///   - progress: called with (matrices tried, matrices in all); false stops.
    /// - Throws: what `convert` throws, or `TillerError` where the budget is too small.
    func allocating(
        _ budget: Budget, source: String, scratch: String, lists: [[Int32]], texts: [[Int32]],
        progress: (Int, Int) -> Bool
    ) throws -> EncodingChoice {
        var choice = EncodingChoice(weights: .int4, head: .int4)
        let low = try copy(source, .int4, scratch + ".int4", progress)
        let spare = try budget.spareByteCount(beside: low.file)
        let high = try copy(source, .int8, scratch + ".int8", progress)
        let tokens = try TokenShares.measured(by: high, lists: texts) { progress(0, 1) }
        let allocation = try BitAllocation(
            low: low, high: high, lists: lists, tokens: tokens, progress: progress)
        var rows: [Range<Int>] = []
        for group in allocation.upgrades(byteCount: spare) {
            if let own = group.rows {
                rows.append(own)
            } else {
                for key in group.keys { choice.exceptions[key] = .int8 }
            }
        }
        choice.vocabularyExceptions = rows.joinedNeighbours.map { RowSegment($0, .int8) }
        return choice
    }

    /// A conversion that runs but has no name any more.
    private func copy(
        _ source: String, _ encoding: TensorEncoding, _ path: String, _ progress: (Int, Int) -> Bool
    ) throws -> Engine {
        defer { unlink(path) }
        var converter = self
        converter.encodings = EncodingChoice(weights: encoding, head: encoding)
        _ = try converter.convert(source, to: path) { _, _ in progress(0, 1) }
        var options = Engine.Options()
        options.threads = threadCount
        return try Engine(path: path, options: options)
    }
}
