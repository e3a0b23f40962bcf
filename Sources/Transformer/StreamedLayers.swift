// SPDX-License-Identifier: Apache-2.0
// Less memory than weights: the layers that do not fit pass through it, mapped only while they are read.

import Formats
import Platform

/// The layers whose weights do not stay in resident memory, because there is a limit.
///
/// The pages of such a layer are unmapped behind its reading. The system keeps them in its cache while it has room, from
/// where they are mapped again at little cost. As much of the first layers as there is room for stays, to the large page,
/// and so does everything that belongs to no layer.
package struct StreamedLayers: Sendable {
    private let file: TillerFile
    /// What is unmapped behind each layer, within the weights.
    private let leftBehind: [Range<Int>?]

    /// - Parameter limit: the most bytes of weights in resident memory.
    /// - Precondition: `limit` is `leastByteCount(of:)` or more.
    /// - Returns: nil where all weights may stay.
    package init?(of file: TillerFile, limit: Int) {
        guard file.weights.count > limit else { return nil }
        let room = limit - Self.leastByteCount(of: file)
        precondition(room >= 0, "StreamedLayers: the limit leaves no room")
        var leftBehind = [Range<Int>?](repeating: nil, count: file.manifest.configuration.layerCount)
        let groups = Self.groups(of: file)
        let firstToPass = (groups.first?.bytes.lowerBound ?? 0) + room
        for group in groups where group.bytes.upperBound > firstToPass {
            let bytes = max(group.bytes.lowerBound, firstToPass)..<group.bytes.upperBound
            leftBehind[group.lastLayer] = bytes
            file.advise(.sequential, weights: bytes)
            file.mapInLargePages(weights: bytes)
            file.advise(.dontNeed, weights: bytes)
        }
        self.file = file
        self.leftBehind = leftBehind
    }

    /// The least limit: what belongs to no layer, and one group of layers in the pages that hold any of it.
    package static func leastByteCount(of file: TillerFile) -> Int {
        let sizes = groups(of: file).map(\.bytes.count)
        let inUse = (sizes.max() ?? 0) + 2 * LargePage.byteCount
        return min(file.weights.count - sizes.reduce(0, +) + inUse, file.weights.count)
    }

    /// Consecutive layers of two large pages or more: unmapping interrupts the other threads, so small layers go together.
    ///
    /// - Returns: nothing where a file mixes its layers, which the format allows: then none can pass.
    private static func groups(of file: TillerFile) -> [(lastLayer: Int, bytes: Range<Int>)] {
        var groups: [(lastLayer: Int, bytes: Range<Int>)] = []
        // Entries are in the order of their bytes.
        for tensor in file.tensorIndex.entries {
            guard let layer = tensor.layer else { continue }
            let end = tensor.byteOffset + tensor.byteCount
            guard let last = groups.last else {
                groups.append((layer, tensor.byteOffset..<end))
                continue
            }
            guard layer >= last.lastLayer else { return [] }
            if layer == last.lastLayer || last.bytes.count < 2 * LargePage.byteCount {
                groups[groups.count - 1] = (layer, last.bytes.lowerBound..<end)
            } else {
                groups.append((layer, tensor.byteOffset..<end))
            }
        }
        return groups
    }

    /// Unmaps what has been read up to here, where it does not stay.
    func evict(after layer: Int) {
        if let bytes = leftBehind[layer] { file.advise(.dontNeed, weights: bytes) }
    }
}
