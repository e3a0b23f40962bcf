// SPDX-License-Identifier: Apache-2.0
// The same rows in xrfm and scikit-learn, synthetic ones and states of a real model: Tests/Fixtures/directions.

import Directions
import JSON
import LinearAlgebra
import TestSupport
import Testing

/// Rows of two classes in turns, with what others find in the first `fitted` of them.
struct GoldenDirections: CustomTestStringConvertible, Sendable {
    let name: String
    let rows: Matrix
    let golden: JSON

    private static let folder = "\(packageRoot)/Tests/Fixtures/directions"

    init(_ name: String) throws {
        self.name = name
        let bytes = try #require(SharedData.contents(of: "\(Self.folder)/golden.json"))
        golden = try #require(try JSON.parse(bytes)[name])
        guard name == "states" else {
            rows = try Self.matrix(golden["rows"])
            return
        }
        // Little-endian Float16.
        let states = try #require(SharedData.contents(of: "\(Self.folder)/states.f16"))
        let values = stride(from: 0, to: states.count, by: 2).map {
            Double(Float16(bitPattern: UInt16(states[$0]) | UInt16(states[$0 + 1]) << 8))
        }
        let width = try #require(golden["width"]?.intValue)
        rows = Matrix(rows: values.count / width, columns: width, values: values)
    }

    var testDescription: String { name }

    func numbers(_ path: String...) throws -> [Double] {
        try Self.numbers(path.reduce(golden) { $0?[$1] })
    }

    func number(_ path: String...) throws -> Double {
        try #require(path.reduce(golden as JSON?) { $0?[$1] }?.doubleValue)
    }

    func vectors(_ path: String...) throws -> Matrix { try Self.matrix(path.reduce(golden) { $0?[$1] }) }

    var fitted: Matrix {
        get throws { rows.selectingRows(Array(0..<Int(try number("fitted")))) }
    }
    var heldOut: Matrix {
        get throws { rows.selectingRows(Array(Int(try number("fitted"))..<rows.rows)) }
    }

    static func labels(_ rows: Matrix) -> [Double] { (0..<rows.rows).map { $0 % 2 == 0 ? 1 : -1 } }

    private static func numbers(_ value: JSON?) throws -> [Double] {
        try #require(value?.arrayValue).map { try #require($0.doubleValue) }
    }

    private static func matrix(_ value: JSON?) throws -> Matrix {
        let rows = try #require(value?.arrayValue).map { try numbers($0) }
        return Matrix(rows: rows.count, columns: rows.first?.count ?? 0, values: rows.flatMap { $0 })
    }
}

@Suite struct DirectionGoldenTests {
    init() throws { try LinearAlgebra.load() }

    static let names = ["synthetic", "states"]

    @Test(arguments: names, [false, true])
    func machinesFindWhatXRFMFinds(name: String, centres: Bool) throws {
        let golden = try GoldenDirections(name)
        let key = centres ? "centred" : "uncentred"
        let (fitted, heldOut) = (try golden.fitted, try golden.heldOut)
        var options = RecursiveFeatureMachine.Options()
        options.centresGradients = centres
        let machine = try RecursiveFeatureMachine(
            rows: fitted, labels: GoldenDirections.labels(fitted), options: options)
        let feature = try machine.feature()
        let direction = try golden.numbers(key, "direction")
        // xrfm adds 10⁻⁸ to the metric's diagonal and lets no distance be below 10⁻¹⁰.
        #expect(cosineOf(feature.direction, direction) > 0.9999)
        #expect(try abs(feature.spectrum.dominance - golden.number(key, "dominance")) < 1e-3)
        let predictions = machine.predictions(for: heldOut)
        #expect(try greatestDifference(predictions, golden.numbers(key, "predictions")) < 1e-3)
        let labels = GoldenDirections.labels(heldOut)
        #expect(try abs(areaUnderCurve(predictions, labels: labels) - golden.number(key, "auc")) < 0.01)
        let readings = product(machine.preparation.apply(to: heldOut), feature.direction)
        #expect(
            try abs(areaUnderCurve(readings, labels: labels) - golden.number(key, "directionAUC")) < 0.01)
    }

    @Test(arguments: names)
    func probesAreThoseOfScikitLearn(name: String) throws {
        let golden = try GoldenDirections(name)
        let (fitted, heldOut) = (try golden.fitted, try golden.heldOut)
        let probe = try LogisticProbe(rows: fitted, labels: GoldenDirections.labels(fitted))
        let weights = try golden.numbers("probe", "weights"), logOdds = try golden.numbers("probe", "logOdds")
        #expect(cosineOf(probe.weights, weights) > 0.999_99)
        let norms = [probe.weights, weights].map { dotProduct($0, $0).squareRoot() }
        #expect(abs(norms[0] / norms[1] - 1) < 1e-3)
        let found = probe.logOdds(for: heldOut)
        #expect(greatestDifference(found, logOdds) < 1e-2)
        let auc = areaUnderCurve(found, labels: GoldenDirections.labels(heldOut))
        #expect(try abs(auc - golden.number("probe", "auc")) < 0.01)
    }

    @Test(arguments: names)
    func componentsAreThoseOfScikitLearn(name: String) throws {
        let golden = try GoldenDirections(name)
        let found = try PrincipalComponents(of: golden.fitted, count: 4)
        let vectors = try golden.vectors("components", "vectors")
        let variances = try golden.numbers("components", "variances")
        for index in 0..<4 {
            // Signs are a matter of taste.
            let cosine = cosineOf(Array(found.components.row(index)), Array(vectors.row(index)))
            #expect(abs(cosine) > 0.999_999)
            #expect(abs(found.variances[index] / variances[index] - 1) < 1e-6)
        }
    }
}
