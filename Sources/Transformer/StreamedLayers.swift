// SPDX-License-Identifier: Apache-2.0
// Models larger than memory: layers that do not fit are mapped only while they are read.

import Formats
import Platform

/// The layers whose weights do not stay in resident memory because of a limit.
///
/// The pages of such a layer are unmapped after it is read. The system keeps them in its page cache while it has room, from which
/// they are mapped again at little cost. As much of the first layers as fits stays resident, in units of large pages, and so does
/// everything that belongs to no layer.
package struct StreamedLayers: Sendable {
    private let file: TillerFile
    /// The range of weights unmapped after each layer.
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

    /// The smallest valid limit: the weights outside layers, and one group of layers with the large pages that it touches.
    package static func leastByteCount(of file: TillerFile) -> Int {
        let sizes = groups(of: file).map(\.bytes.count)
        let inUse = (sizes.max() ?? 0) + 2 * LargePage.byteCount
        return min(file.weights.count - sizes.reduce(0, +) + inUse, file.weights.count)
    }

    /// Groups of consecutive layers of at least two large pages: unmapping interrupts the other threads, so small layers share
    /// one call.
    ///
    /// - Returns: nothing if a file interleaves its layers, which the format allows: then none can be streamed.
    private static func groups(of file: TillerFile) -> [(lastLayer: Int, bytes: Range<Int>)] {
        var groups: [(lastLayer: Int, bytes: Range<Int>)] = []
        // Entries are sorted by byte offset.
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

    /// Unmaps the group that ends at this layer, as far as it does not stay resident.
    func evict(after layer: Int) {
        if let bytes = leftBehind[layer] { file.advise(.dontNeed, weights: bytes) }
    }
}
