// SPDX-License-Identifier: Apache-2.0
// From contrasted activations to one direction: the two methods that need no expert. Matrices and labels in,
// vectors out; no model is known here.

/// How a direction is found.
package enum DirectionMethod: String, Sendable, CaseIterable {
    /// Difference of the means of both sides (CAA, arXiv 2312.06681).
    case meanDifference = "mean-difference"
    /// First principal component of the pairs' differences, not centred (RepE, arXiv 2310.01405).
    case pca
}

/// Paired states of one layer: row i of both matrices comes from the same pair of texts.
package struct PairedStates: Sendable {
    /// [pairCount × width], row-major.
    package let positive, negative: [Float]
    package let pairCount, width: Int

    /// - Precondition: both matrices have pairCount · width elements, and there is at least one pair.
    package init(positive: [Float], negative: [Float], pairCount: Int, width: Int) {
        precondition(pairCount > 0 && width > 0, "PairedStates: no pairs")
        precondition(
            positive.count == pairCount * width && negative.count == positive.count,
            "PairedStates: sizes differ")
        self.positive = positive
        self.negative = negative
        self.pairCount = pairCount
        self.width = width
    }

    /// The same pairs with their sides exchanged.
    package var reversed: PairedStates {
        PairedStates(positive: negative, negative: positive, pairCount: pairCount, width: width)
    }

    /// Differences positive − negative, [pairCount × width].
    var differences: [Double] { zip(positive, negative).map { Double($0) - Double($1) } }
}

extension DirectionMethod {
    /// The unit vector that points from the negative to the positive side.
    ///
    /// - Returns: [width]; zeros where both sides are equal in every pair.
    package func direction(of states: PairedStates) -> [Float] {
        let differences = states.differences
        let mean = columnMeans(differences, rows: states.pairCount, columns: states.width)
        let direction: [Double]
        switch self {
        case .meanDifference:
            direction = mean
        case .pca:
            let component = firstPrincipalComponent(
                differences, rows: states.pairCount, columns: states.width, start: mean)
            // An eigenvector has no sign; most pairs should agree with it.
            let agreeing = (0..<states.pairCount).filter { row in
                dot(differences[row * states.width..<(row + 1) * states.width], component[...]) > 0
            }
            direction = agreeing.count * 2 >= states.pairCount ? component : component.map { -$0 }
        }
        return normalized(direction).map { Float($0) }
    }
}

/// How well a direction tells both sides of pairs apart.
package struct Separation: Sendable {
    /// Share of pairs whose positive side lies further along the direction.
    package let pairAccuracy: Double

    package init(of direction: [Float], on states: PairedStates) {
        let vector = direction.map(Double.init)
        let differences = states.differences
        let right = (0..<states.pairCount).filter { row in
            dot(differences[row * states.width..<(row + 1) * states.width], vector[...]) > 0
        }
        pairAccuracy = Double(right.count) / Double(states.pairCount)
    }
}

/// The eigenvector of XᵀX with the largest eigenvalue, by power iteration; X is never squared.
///
/// - Parameter start: a vector that is not orthogonal to the answer; the mean of the rows is a good one.
private func firstPrincipalComponent(_ x: [Double], rows: Int, columns: Int, start: [Double]) -> [Double] {
    var vector = normalized(start)
    if vector.allSatisfy({ $0 == 0 }) { vector = normalized(Array(x[..<columns])) }
    // Gaps between eigenvalues are wide for contrasted pairs; the bound only ends degenerate cases.
    for _ in 0..<500 {
        var next = [Double](repeating: 0, count: columns)
        for row in 0..<rows {
            let slice = x[row * columns..<(row + 1) * columns]
            let score = dot(slice, vector[...])
            for (index, value) in slice.enumerated() { next[index] += score * value }
        }
        next = normalized(next)
        let change = 1 - abs(dot(next[...], vector[...]))
        vector = next
        if change < 1e-12 { break }
    }
    return vector
}

private func columnMeans(_ x: [Double], rows: Int, columns: Int) -> [Double] {
    var sums = [Double](repeating: 0, count: columns)
    for row in 0..<rows {
        for column in 0..<columns { sums[column] += x[row * columns + column] }
    }
    return sums.map { $0 / Double(rows) }
}

private func dot(_ a: ArraySlice<Double>, _ b: ArraySlice<Double>) -> Double {
    zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
}

private func normalized(_ x: [Double]) -> [Double] {
    let norm = dot(x[...], x[...]).squareRoot()
    return norm > 0 ? x.map { $0 / norm } : x
}
