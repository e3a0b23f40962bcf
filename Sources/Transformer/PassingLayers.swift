// SPDX-License-Identifier: Apache-2.0
// Less memory than weights: the layers that do not fit pass through it, mapped only while they are read.

import Formats
import Platform

/// The layers whose weights do not stay in resident memory, because there is a limit.
///
/// The pages of such a layer are unmapped behind its reading. The system keeps them in its cache while it has room, from
/// where they are mapped again for little, and drops them before others when it has none. The first layers stay, and so
/// does everything that belongs to no layer.
package struct PassingLayers: Sendable {
    private let file: TillerFile
    /// Where each layer lies within the weights.
    private let byteRanges: [Range<Int>]
    private let firstPassing: Int

    /// - Parameter limit: the most bytes of weights in resident memory.
    /// - Precondition: `limit` is `leastByteCount(of:)` or more.
    /// - Returns: nil where all weights may stay.
    package init?(of file: TillerFile, limit: Int) {
        guard file.weights.count > limit else { return nil }
        precondition(limit >= Self.leastByteCount(of: file), "PassingLayers: the limit leaves no room")
        self.file = file
        byteRanges = Self.byteRanges(of: file)
        var room = limit - Self.leastByteCount(of: file)
        firstPassing =
            byteRanges.firstIndex { layer in
                room -= layer.count
                return room < 0
            } ?? byteRanges.count
        for layer in byteRanges[firstPassing...] { file.advise(.sequential, weights: layer) }
    }

    /// The least limit: what belongs to no layer, and one layer in the pages that hold any of it.
    package static func leastByteCount(of file: TillerFile) -> Int {
        let sizes = byteRanges(of: file).map(\.count)
        let transit = (sizes.max() ?? 0) + 2 * LargePage.byteCount
        return min(file.weights.count - sizes.reduce(0, +) + transit, file.weights.count)
    }

    /// Nothing where a file mixes its layers, which the format allows: then none can pass.
    private static func byteRanges(of file: TillerFile) -> [Range<Int>] {
        let ranges = (0..<file.manifest.configuration.layerCount).map { layer in
            let tensors = file.tensorIndex.entries.filter { $0.layer == layer }
            let start = tensors.map(\.byteOffset).min() ?? 0
            return start..<(tensors.map { $0.byteOffset + $0.byteCount }.max() ?? start)
        }
        let areApart = zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound }
        return areApart ? ranges : []
    }

    /// Unmaps a layer that has been read, where it is one that passes.
    func leave(layer: Int) {
        guard layer >= firstPassing else { return }
        file.advise(.dontNeed, weights: byteRanges[layer])
    }
}
