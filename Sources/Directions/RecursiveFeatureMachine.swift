// SPDX-License-Identifier: Apache-2.0
// Recursive Feature Machine (arXiv 2212.13881, 2502.03708): kernel regression that learns its own metric M from the
// average outer product of its gradients. M amplifies the features on which the labels depend; its leading eigenvector is
// the concept's direction.

import LinearAlgebra

/// A fitted Recursive Feature Machine: predictor and learned metric.
package struct RecursiveFeatureMachine: Sendable {
    package struct Options: Sendable {
        /// Number of updates of the metric.
        package var iterationCount = 8
        /// The kernel's bandwidth, in units of the median distance between rows in the current iteration's metric.
        package var bandwidthFactor = 1.0
        /// λ of ridge regression, relative to the kernel's diagonal of 1.
        package var regularization = 1e-3
        /// Subtracts the mean gradient before the outer product, as some implementations do. The mean gradient is the
        /// linear part of the predictor, so with few rows this discards most of the signal.
        package var centresGradients = false
        /// Normalizes centred rows to unit norm, so that only the direction of a state counts.
        package var normalizesRows = true
        /// nil chooses the cheaper one.
        package var form: Form?

        package init() {}
    }

    /// Two algorithms with the same result.
    package enum Form: String, Sendable, CaseIterable {
        /// Does not form M = GᵀG/n; for fewer rows than columns.
        case dual
        /// Forms M [width × width].
        case primal
    }

    /// The least number of rows per class.
    package static let leastRowCount = 2

    /// Turns rows into the machine's inputs.
    package let preparation: RowPreparation
    /// Inputs X [n × width], centred labels y [n].
    let inputs: Matrix
    let labels: [Double]
    /// Gradients G of the predictor from which M was last learned, [n × width]; M = GᵀG / n.
    let gradients: Matrix

    private let labelMean: Double
    private let metric: FeatureMetric
    private let predictor: KernelPredictor

    /// Fits the predictor and the metric.
    ///
    /// - Parameters:
    ///   - rows: [n × width], as captured.
    ///   - labels: [n]; positive numbers mark the positive class, usually 1 and −1.
    /// - Throws: `StatesError` for rows that are not finite or are all equal, for a single class, or for too few rows.
    /// - Complexity: each iteration takes about n² · (width + n) multiplications in the dual form,
    ///   n · width · (n + width) in the primal one.
    /// - Precondition: there are as many labels as rows.
    package init(rows: Matrix, labels: [Double], options: Options = Options()) throws(StatesError) {
        try requireTwoClasses(rows: rows, labels: labels, least: Self.leastRowCount)
        preparation = try RowPreparation(fitting: rows, normalizesRows: options.normalizesRows)
        let inputs = preparation.apply(to: rows)
        let count = Double(rows.rows)
        let mean = labels.reduce(0, +) / count
        let targets = labels.map { $0 - mean }
        let form = options.form ?? (rows.rows <= rows.columns ? .dual : .primal)

        var metric = FeatureMetric.identity
        guard var predictor = try KernelPredictor(rows: metric.rows(inputs), targets: targets, options) else {
            throw .noVariance(rowCount: rows.rows)
        }
        var gradients = Matrix(rows: 0, columns: 0)
        // The rows are the same in both classes: the gradients are only rounding error.
        guard predictor.explainedShare > 1e-9 else { throw .noContrast }
        for _ in 0..<max(options.iterationCount, 1) {
            gradients = predictor.gradientsAtRows
            if options.centresGradients { gradients = gradients.centred() }
            metric = FeatureMetric(gradients: gradients, form: form)
            guard let next = try KernelPredictor(rows: metric.rows(inputs), targets: targets, options) else {
                throw .noContrast
            }
            predictor = next
        }
        self.inputs = inputs
        self.labels = targets
        self.gradients = gradients
        self.metric = metric
        self.predictor = predictor
        labelMean = mean
    }

    /// The predictor's values: close to the label of a class where a row resembles its rows.
    ///
    /// - Parameter rows: [m × width], as captured.
    package func predictions(for rows: Matrix) -> [Double] { values(at: preparation.apply(to: rows)) }

    /// The predictor's values at inputs, that is, at prepared rows.
    package func values(at inputs: Matrix) -> [Double] {
        predictor.values(at: metric.rows(inputs)).map { $0 + labelMean }
    }

    /// The predictor's gradients at inputs, [m × width].
    package func gradients(at inputs: Matrix) -> Matrix { predictor.gradients(at: metric.rows(inputs)) }
}

/// Kernel ridge regression in one metric.
private struct KernelPredictor: Sendable {
    /// The rows that it was fitted to.
    let rows: MetricRows
    private let kernel: LaplaceKernel
    /// a = (K + λI)⁻¹ y.
    private let weights: [Double]

    /// yᵀ K a / yᵀ y, the share of the labels that it explains on its own rows; 0 if it is constant.
    let explainedShare: Double

    /// - Returns: nil where all rows are equal.
    init?(rows: MetricRows, targets: [Double], _ options: RecursiveFeatureMachine.Options) throws(StatesError)
    {
        guard let kernel = LaplaceKernel(products: rows.products(rows), factor: options.bandwidthFactor)
        else {
            return nil
        }
        let matrix = kernel.values(kernel.distances).addingToDiagonal(options.regularization)
        weights = try solving { () throws(LinearAlgebraError) in
            try CholeskyFactor(of: matrix).solve(targets)
        }
        // K a = y − λ a.
        explainedShare =
            1 - options.regularization * dotProduct(targets, weights) / dotProduct(targets, targets)
        self.rows = rows
        self.kernel = kernel
    }

    /// f(x) = Σⱼ aⱼ exp(−|x − xⱼ| / b).
    func values(at points: MetricRows) -> [Double] {
        product(kernel.values(rows.distances(from: points)), weights)
    }

    /// Gradients at the rows themselves; their distances to themselves are exactly 0.
    var gradientsAtRows: Matrix {
        kernel.gradients(
            weights: weights, distances: kernel.distances, points: rows.gradientRows,
            rows: rows.gradientRows)
    }

    func gradients(at points: MetricRows) -> Matrix {
        kernel.gradients(
            weights: weights, distances: rows.distances(from: points), points: points.gradientRows,
            rows: rows.gradientRows)
    }
}

/// Checks that labels have two classes of sufficient size.
///
/// - Parameter least: rows needed per class.
func requireTwoClasses(rows: Matrix, labels: [Double], least: Int) throws(StatesError) {
    precondition(rows.rows == labels.count, "\(labels.count) labels for \(rows.rows) rows")
    let positive = labels.count { $0 > 0 }
    guard rows.rows >= 2 * least else { throw .tooFewRows(found: rows.rows, expected: 2 * least) }
    guard positive > 0, positive < labels.count else { throw .oneClass(rowCount: labels.count) }
    guard min(positive, labels.count - positive) >= least else {
        throw .tooFewRows(found: 2 * min(positive, labels.count - positive), expected: 2 * least)
    }
    try rows.requireFiniteStates()
}
