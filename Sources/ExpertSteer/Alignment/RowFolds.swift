// SPDX-License-Identifier: Apache-2.0
// Cross-validation by group: rows that share a text or a concept are never on both sides of a split.

import Directions

/// A division of rows into folds.
package struct RowFolds: Sendable {
    /// Rows of each fold, ascending.
    package let heldOut: [[Int]]
    private let rowCount: Int

    package var count: Int { heldOut.count }

    /// - Parameters:
    ///   - groups: one number per row; rows with equal numbers stay together.
    ///   - count: number of folds; fewer if there are fewer groups.
    package init(groups: [Int], count: Int, seed: UInt64) {
        var random = RandomStream(seed: seed)
        let distinct = Set(groups).sorted()
        var foldOfGroup: [Int: Int] = [:]
        for (position, index) in random.nextPermutation(of: distinct.count).enumerated() {
            foldOfGroup[distinct[index]] = position % count
        }
        var folds = [[Int]](repeating: [], count: min(count, distinct.count))
        for (row, group) in groups.enumerated() {
            if let fold = foldOfGroup[group] { folds[fold].append(row) }
        }
        heldOut = folds
        rowCount = groups.count
    }

    /// The rows of all other folds, ascending.
    package func others(_ fold: Int) -> [Int] {
        let excluded = Set(heldOut[fold])
        return (0..<rowCount).filter { !excluded.contains($0) }
    }
}
