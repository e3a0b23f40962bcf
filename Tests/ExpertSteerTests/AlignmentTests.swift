// SPDX-License-Identifier: Apache-2.0
// What every alignment does, between any two widths.

import Directions
import ExpertSteer
import LinearAlgebra
import Testing

struct AlignmentTests {
    /// Expert narrower, as wide and wider; more and fewer texts than columns.
    static let widths = [(12, 20), (16, 16), (20, 12), (1, 3), (3, 1)]

    @Test(arguments: AlignmentMethod.allCases, widths)
    func aCodeHasTheTargetsWidth(method: AlignmentMethod, widths: (Int, Int)) throws {
        let states = PlantedStates(
            rows: 60, expertWidth: widths.0, targetWidth: widths.1, shared: 4, noise: 0.2, seed: 1)
        let encoder = try Alignment.fit(method, expert: states.expert, target: states.target)
        #expect(encoder.expertWidth == widths.0 && encoder.targetWidth == widths.1)
        let code = encoder.encode(states.expert)
        #expect(code.rows == 60 && code.columns == widths.1 && code.isFinite)
        let figures = try #require(encoder.figures)
        #expect(figures.reconstruction <= 1 && abs(figures.agreement ?? 2) <= 1)
        #expect((figures.ridge != nil) == (method == .ridge || method == .anchored))
        // A displacement is carried as the difference of two codes.
        let there = encoder.encode(states.expert.selectingRows([0])).values
        let here = encoder.encode(states.expert.selectingRows([1])).values
        let moved = zip(states.expert.row(0), states.expert.row(1)).map { $0 - $1 }
        let carried = product(encoder.weights, moved, transposing: true)
        for (carried, expected) in zip(carried, zip(there, here).map { $0 - $1 }) {
            #expect(abs(carried - expected) < 1e-9)
        }
    }

    @Test(arguments: AlignmentMethod.allCases)
    func fewerTextsThanColumnsAreEnough(method: AlignmentMethod) throws {
        let states = PlantedStates(
            rows: 30, expertWidth: 50, targetWidth: 40, shared: 3, noise: 0.1, seed: 2)
        let encoder = try Alignment.fit(method, expert: states.expert, target: states.target)
        #expect(encoder.weights.isFinite)
        if method != .autoencoder { #expect((encoder.figures?.agreement ?? 0) > 0.9) }
    }

    @Test(arguments: [AlignmentMethod.anchored, .ridge, .procrustes])
    func anchoredCodesFindTheTargetsAxes(method: AlignmentMethod) throws {
        let states = PlantedStates(
            rows: 300, expertWidth: 24, targetWidth: 20, shared: 6, noise: 0.1, seed: 3)
        let encoder = try Alignment.fit(method, expert: states.expert, target: states.target)
        let figures = try #require(encoder.figures)
        // Procrustes keeps lengths, which random mixtures do not.
        #expect((figures.agreement ?? 0) > (method == .procrustes ? 0.6 : 0.98))
        let direction = encoder.encode(states.expert).values
        let expected = states.target.values
        #expect(cosineOf(direction, expected) > (method == .procrustes ? 0.6 : 0.98))
    }

    @Test func theAutoencodersAxesAreNotTheTargets() throws {
        let states = PlantedStates(
            rows: 300, expertWidth: 24, targetWidth: 20, shared: 6, noise: 0.1, seed: 3)
        let figures = try #require(
            try Alignment.fit(.autoencoder, expert: states.expert, target: states.target).figures)
        #expect(figures.reconstruction > 0.99 && abs(figures.agreement ?? 1) < 0.3)
    }

    @Test(arguments: AlignmentMethod.allCases)
    func aRotatedCodeKnowsAsMuchAndMeansNothing(method: AlignmentMethod) throws {
        let states = PlantedStates(
            rows: 200, expertWidth: 16, targetWidth: 40, shared: 5, noise: 0.1, seed: 4)
        let encoder = try Alignment.fit(method, expert: states.expert, target: states.target)
        let control = try encoder.rotated(seed: 9)
        #expect(try control == encoder.rotated(seed: 9) && control != encoder.rotated(seed: 10))
        #expect(control.figures == nil)
        let code = encoder.encode(states.expert), turned = control.encode(states.expert)
        func spread(_ code: Matrix) -> Matrix {
            gram(code.centred().scalingColumns(encoder.targetScales.map { 1 / $0 }), ofRows: true)
        }
        // A rotation about the mean leaves all products of rows as they are.
        expectEqual(spread(code), spread(turned), within: 1e-8 * squares(code).squareRoot())
        let agreement = cosineOf(turned.centred().values, code.centred().values)
        // Traces of random rotations are standard normal, of 40.
        #expect(abs(agreement) < 0.2)
    }

    @Test func massiveColumnsDoNotDrownTheOthers() throws {
        let states = PlantedStates(
            rows: 200, expertWidth: 60, targetWidth: 2, shared: 6, noise: 0.05, seed: 5)
        var random = RandomStream(seed: 6)
        var expert = states.expert
        for row in 0..<expert.rows {
            for column in 0..<2 { expert[row, column] = 300 * random.nextNormal() + 2000 }
        }
        // A code of two has room for the two massive columns alone, and knows nothing of the other 58.
        var figures: [Standardization: Double] = [:]
        for rule in Standardization.allCases {
            var options = AlignmentOptions()
            options.standardisation = rule
            let encoder = try Alignment.fit(
                .autoencoder, expert: expert, target: states.target, options: options)
            figures[rule] = encoder.figures?.reconstruction
        }
        #expect((figures[.common] ?? 0) > 0.99)
        // Two of variance 25 among 58 of about 1.
        #expect(abs((figures[.massive] ?? 0) - 50.0 / 108) < 0.15)
        #expect((figures[.columns] ?? 1) < 0.6)
    }

    @Test(arguments: Standardization.allCases)
    func shiftsAndScalesOfTheExpertDoNotMatter(rule: Standardization) throws {
        let states = PlantedStates(
            rows: 80, expertWidth: 9, targetWidth: 7, shared: 3, noise: 0.2, seed: 7)
        var options = AlignmentOptions()
        options.standardisation = rule
        var moved = states.expert
        for index in moved.values.indices { moved.values[index] = 250 * moved.values[index] + 1000 }
        for method in AlignmentMethod.allCases {
            let one = try Alignment.fit(
                method, expert: states.expert, target: states.target, options: options)
            let other = try Alignment.fit(method, expert: moved, target: states.target, options: options)
            expectEqual(one.encode(states.expert), other.encode(moved), within: 1e-6)
        }
    }

    @Test func constantColumnsAreCarriedAsZeros() throws {
        let states = PlantedStates(
            rows: 40, expertWidth: 6, targetWidth: 5, shared: 3, noise: 0.2, seed: 8)
        var expert = states.expert, target = states.target
        for row in 0..<40 { (expert[row, 2], target[row, 1]) = (0.1, 7) }
        for method in AlignmentMethod.allCases {
            for rule in Standardization.allCases {
                var options = AlignmentOptions()
                options.standardisation = rule
                let encoder = try Alignment.fit(method, expert: expert, target: target, options: options)
                #expect(encoder.weights.isFinite)
                if method != .autoencoder {
                    for value in encoder.encode(expert).column(1) { #expect(abs(value - 7) < 1e-9) }
                }
            }
        }
    }

    @Test func theSameSeedGivesTheSameBytes() throws {
        let states = PlantedStates(
            rows: 64, expertWidth: 12, targetWidth: 8, shared: 4, noise: 0.3, seed: 9)
        for method in AlignmentMethod.allCases {
            let one = try Alignment.fit(method, expert: states.expert, target: states.target)
            #expect(try one == Alignment.fit(method, expert: states.expert, target: states.target))
        }
    }

    // MARK: - Held out

    @Test func noiseIsNotExplained() throws {
        var random = RandomStream(seed: 10)
        let expert = random.nextMatrix(rows: 60, columns: 50),
            target = random.nextMatrix(rows: 60, columns: 5)
        var options = AlignmentOptions()
        options.ridge = 0
        let loose = try #require(
            try Alignment.fit(.ridge, expert: expert, target: target, options: options).figures)
        options.ridge = nil
        let chosen = try #require(
            try Alignment.fit(.ridge, expert: expert, target: target, options: options).figures)
        #expect((loose.explained ?? 1) < -0.5 && loose.ridge == 0)
        #expect(abs(chosen.explained ?? 1) < 0.1 && (chosen.ridge ?? 0) >= 10)
    }

    @Test func copiesOfATextAreHeldOutTogether() throws {
        // Each text of pure noise twice: only one who splits copies can explain them.
        var random = RandomStream(seed: 11)
        let twice = (0..<80).map { $0 / 2 }
        let expert = random.nextMatrix(rows: 40, columns: 45).selectingRows(twice)
        let target = random.nextMatrix(rows: 40, columns: 4).selectingRows(twice)
        var options = AlignmentOptions()
        let leaking = try Alignment.fit(.ridge, expert: expert, target: target, options: options)
        options.groups = twice
        let honest = try Alignment.fit(.ridge, expert: expert, target: target, options: options)
        #expect((leaking.figures?.explained ?? 0) > 0.25)
        #expect((honest.figures?.explained ?? 1) < 0.1)
    }

    @Test func foldsHoldEveryRowOnce() {
        let groups = (0..<47).map { $0 / 3 }
        let folds = RowFolds(groups: groups, count: 5, seed: 1)
        #expect(folds.count == 5 && folds.heldOut.flatMap { $0 }.sorted() == Array(0..<47))
        for fold in 0..<5 {
            let inside = Set(folds.heldOut[fold].map { groups[$0] })
            let outside = Set(folds.others(fold).map { groups[$0] })
            #expect(inside.isDisjoint(with: outside))
            #expect(folds.others(fold).count + folds.heldOut[fold].count == 47)
        }
        #expect(RowFolds(groups: [1, 1, 2], count: 5, seed: 0).count == 2)
    }

    // MARK: - Bad input

    @Test func statesThatTeachNothingAreRefused() {
        let same = Matrix(rows: 20, columns: 3, values: [Double](repeating: 0.1, count: 60))
        let varied = PlantedStates(
            rows: 20, expertWidth: 3, targetWidth: 3, shared: 2, noise: 0.1, seed: 1)
        var broken = varied.expert
        broken[4, 1] = .nan
        var options = AlignmentOptions()
        for method in AlignmentMethod.allCases {
            #expect(throws: StatesError.noVariance(rowCount: 20)) {
                try Alignment.fit(method, expert: same, target: varied.target)
            }
            #expect(throws: StatesError.self) {
                try Alignment.fit(method, expert: broken, target: varied.target)
            }
            #expect(throws: StatesError.tooFewTexts(found: 7, expected: 8)) {
                let few = varied.expert.selectingRows(Array(0..<7))
                _ = try Alignment.fit(method, expert: few, target: few)
            }
        }
        options.groups = [Int](repeating: 3, count: 20)
        #expect(throws: StatesError.tooFewTexts(found: 1, expected: 8)) {
            try Alignment.fit(.ridge, expert: varied.expert, target: varied.target, options: options)
        }
        #expect(throws: StatesError.noVariance(rowCount: 20)) {
            try Alignment.fit(.ridge, expert: varied.expert, target: same)
        }
    }
}
