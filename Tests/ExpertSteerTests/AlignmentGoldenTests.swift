// SPDX-License-Identifier: Apache-2.0
// The same data in scikit-learn and SciPy: Tests/Fixtures/alignment.

import ExpertSteer
import Glibc
import JSON
import LinearAlgebra
import TestSupport
import Testing

struct AlignmentGoldenTests {
    private let golden: JSON
    private let expert, target: Matrix

    init() throws {
        let bytes = try #require(
            SharedData.contents(of: "\(packageRoot)/Tests/Fixtures/alignment/golden.json"))
        golden = try JSON.parse(bytes)
        expert = try Self.matrix(golden["expert"])
        target = try Self.matrix(golden["target"])
    }

    private static func numbers(_ value: JSON?) throws -> [Double] {
        try #require(value?.arrayValue).map { try #require($0.doubleValue) }
    }

    private static func matrix(_ value: JSON?) throws -> Matrix {
        let rows = try #require(value?.arrayValue).map { try numbers($0) }
        return Matrix(rows: rows.count, columns: rows.first?.count ?? 0, values: rows.flatMap { $0 })
    }

    private var options: AlignmentOptions {
        var options = AlignmentOptions()
        options.standardisation = .common
        return options
    }

    @Test func componentsAreThoseOfScikitLearn() throws {
        let variances = try Self.numbers(golden["componentVariances"])
        let shares = try Self.numbers(golden["componentShares"])
        for count in [1, 3, 6] {
            // A code of principal axes keeps their variances: in its own unit, the mean variance of all columns.
            let code = try Alignment.fit(
                .autoencoder, expert: expert, target: nil, width: count, options: options
            ).encode(expert)
            let unit = variances.reduce(0, +) / Double(expert.columns) * 63 / 64
            for column in 0..<count {
                let values = code.column(column)
                #expect(abs(dotProduct(values, values) / 63 * unit - variances[column]) < 1e-9)
            }
            let scores = try LayerScores(of: expert, components: count, standardisation: .common)
            #expect(abs(scores.explained - shares.prefix(count).reduce(0, +)) < 1e-9)
        }
    }

    @Test func ridgeIsThatOfScikitLearn() throws {
        var options = options
        options.ridge = try #require(golden["ridge"]?["penalty"]?.doubleValue)
        let encoder = try Alignment.fit(.ridge, expert: expert, target: target, options: options)
        expectEqual(encoder.weights, try Self.matrix(golden["ridge"]?["weights"]), within: 1e-9)
    }

    @Test func procrustesIsThatOfSciPy() throws {
        var options = options
        let five = expert.leadingColumns(5)
        for (name, isScaled) in [("plain", false), ("scaled", true)] {
            options.isScaled = isScaled
            let encoder = try Alignment.fit(.procrustes, expert: five, target: target, options: options)
            expectEqual(
                encoder.weights, try Self.matrix(golden["procrustes"]?[name]), within: 1e-9)
        }
    }

    @Test func canonicalCorrelationsAreThoseOfScikitLearn() throws {
        let expected = try Self.numbers(golden["canonicalCorrelations"])
        let (a, b) = try (LayerScores(of: expert), LayerScores(of: target))
        #expect(a.componentCount == 7 && b.componentCount == 5)
        let cross = product(a.values, b.values, transposing: .first)
        for (found, expected) in zip(try SingularValues(of: cross).values, expected) {
            #expect(abs(found / Double(a.rowCount) - expected) < 1e-8)
        }
        var options = MutualInformationOptions()
        options.shrinkage = 0
        let information = try MutualInformationMatrix(expert: [a], target: [b], options: options)
        let sum = expected.reduce(0) { $0 - 0.5 * log(1 - $1 * $1) }
        #expect(abs(information.gaussian[0, 0] + information.chance[0, 0] - sum) < 1e-8)
    }

    @Test func neighboursAreThoseOfScikitLearn() throws {
        let cases = try #require(golden["neighbours"]?.arrayValue)
        #expect(cases.count == 3)
        for one in cases {
            let found = neighbourInformation(
                try Self.numbers(one["x"]), try Self.numbers(one["y"]),
                neighbours: try #require(one["neighbours"]?.intValue))
            let expected = try #require(one["nats"]?.doubleValue)
            // Scikit-learn reports 0 for less, and adds noise of 1e-10 to break ties.
            #expect(abs(max(found, 0) - expected) < 1e-6)
        }
    }

    @Test func rankCorrelationIsThatOfSciPy() throws {
        let found = rankCorrelation(
            try Self.numbers(golden["ranks"]?["x"]), try Self.numbers(golden["ranks"]?["y"]))
        #expect(abs(found - (try #require(golden["ranks"]?["correlation"]?.doubleValue))) < 1e-12)
    }
}
