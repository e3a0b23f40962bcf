// SPDX-License-Identifier: Apache-2.0
// Tests and intervals against scipy (Tests/Fixtures/statistics), and what they promise on simulated data.

import Glibc
import JSON
import Platform
import TestSupport
import Testing

import Evaluation

@Suite struct PairedTestTests {
    private let golden: JSON

    init() throws {
        golden = try JSON.parse(
            readFile(path: packageRoot + "/Tests/Fixtures/statistics/golden.json", limit: 1 << 20))
    }

    private func numbers(_ json: JSON?) -> [Double] { json?.arrayValue?.compactMap(\.doubleValue) ?? [] }

    @Test func permutationTestsAndIntervalsAreScipys() throws {
        let cases = try #require(golden["cases"]?.arrayValue)
        #expect(cases.count == 6)
        for item in cases {
            let values = numbers(item["values"])
            let groups = item["groups"]?.arrayValue?.compactMap(\.stringValue)
            let differences = GroupedDifferences(values, groups: groups)
            for (direction, key) in [(TestDirection.greater, "greater"), (.different, "different")] {
                let expected = try #require(item[key]?.doubleValue)
                let found = differences.permutationTest(direction, resamples: 100_000)
                // Five standard deviations of both programs' drawn sign changes; none where all were tried.
                let error = item["isExact"]?.boolValue == true ? 1e-12 : 5 * (expected * 1.5e-5).squareRoot()
                #expect(abs(found - expected) <= error + 1e-12, "\(found) is not scipy's \(expected)")
                #expect(found == differences.permutationTest(direction, resamples: 100_000))
            }
            let (expected, found) = (numbers(item["interval"]), differences.bootstrapInterval())
            let width = expected[1] - expected[0]
            // A percentile of 10,000 resamples lies within 2 % of the interval's width around its value.
            #expect(abs(found.lowerBound - expected[0]) < 0.03 * width)
            #expect(abs(found.upperBound - expected[1]) < 0.03 * width)
        }
    }

    @Test func adjustedValuesAreHolms() throws {
        for item in try #require(golden["holm"]?.arrayValue) {
            let found = holmAdjusted(numbers(item["p"]))
            for (a, b) in zip(found, numbers(item["adjusted"])) { #expect(abs(a - b) < 1e-12) }
        }
        #expect(holmAdjusted([]) == [])
    }

    @Test func studentsQuantilesAreScipys() throws {
        for item in try #require(golden["student"]?.arrayValue) {
            let n = try #require(item["n"]?.doubleValue),
                expected = try #require(item["quantile"]?.doubleValue)
            #expect(abs(studentQuantile(0.975, degreesOfFreedom: n) / expected - 1) < 1e-7, "\(n)")
        }
    }

    /// Items with an error of their group's beside their own, around a mean.
    private func simulated(groupCount: Int, size: Int, mean: Double, _ random: inout SeededGenerator)
        -> (values: [Double], groups: [String])
    {
        var (values, groups): ([Double], [String]) = ([], [])
        for group in 0..<groupCount {
            let shift = Double(random.nextNormal())
            for _ in 0..<size {
                values.append(mean + shift + Double(random.nextNormal()))
                groups.append("\(group)")
            }
        }
        return (values, groups)
    }

    @Test(arguments: [(6, 4), (20, 5), (60, 1)])
    func intervalsCoverTheMeanAsOftenAsTheySay(groupCount: Int, size: Int) {
        var random = SeededGenerator(seed: 11)
        let runs = 600
        var (clustered, plain) = (0, 0)
        for run in 0..<runs {
            let (values, groups) = simulated(groupCount: groupCount, size: size, mean: 0.3, &random)
            let seed = UInt64(run)
            clustered +=
                GroupedDifferences(values, groups: groups).bootstrapInterval(resamples: 600, seed: seed)
                    .contains(0.3) ? 1 : 0
            plain +=
                GroupedDifferences(values).bootstrapInterval(resamples: 600, seed: seed).contains(0.3) ? 1 : 0
        }
        // 95 % within four standard deviations of 600 runs.
        let share = Double(clustered) / Double(runs)
        #expect(abs(share - 0.95) < 0.036, "\(share)")
        // Items of a group are no independent evidence, and taking them for it shows.
        if size > 1 { #expect(Double(plain) / Double(runs) < 0.87) }
    }

    @Test(arguments: [10, 40])
    func chanceIsSignificantAsOftenAsItMayBe(groupCount: Int) {
        var random = SeededGenerator(seed: 12)
        let runs = 800
        var (found, power) = (0, 0)
        for run in 0..<runs {
            let (values, groups) = simulated(groupCount: groupCount, size: 3, mean: 0, &random)
            let seed = UInt64(run)
            let chance = GroupedDifferences(values, groups: groups)
            found += chance.permutationTest(resamples: 399, seed: seed) <= 0.05 ? 1 : 0
            let real = GroupedDifferences(values.map { $0 + 2 }, groups: groups)
            power += real.permutationTest(resamples: 399, seed: seed) <= 0.05 ? 1 : 0
        }
        #expect(Double(found) / Double(runs) < 0.05 + 4 * (0.05 * 0.95 / Double(runs)).squareRoot())
        #expect(Double(found) / Double(runs) > 0.02)
        #expect(power > runs * 95 / 100)
    }

    @Test func edgesAreDefined() {
        #expect(GroupedDifferences([]).permutationTest() == 1)
        #expect(GroupedDifferences([]).bootstrapInterval() == 0...0)
        #expect(
            GroupedDifferences([1, 2], groups: ["a", "a"]).bootstrapInterval() == -.infinity...(.infinity))
        #expect(GroupedDifferences([0, 0, 0]).permutationTest() == 1)
        #expect(GroupedDifferences([0, 0, 0]).permutationTest(.different) == 1)
        #expect(GroupedDifferences([3, 1, 2], groups: ["b", "a", "b"]).sums == [5, 1])
        #expect(slopeThroughZero([1, 2], [2, 4]) == 2 && slopeThroughZero([0], [3]) == 0)
    }
}
