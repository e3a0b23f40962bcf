// SPDX-License-Identifier: Apache-2.0
// Operations of every kind, gates and positions: written and read, and refused where they make no sense.

import Formats
import JSON
import Steering
import Testing

extension TinyModel {
    /// A unit vector [count] along one axis.
    private static func axis(_ index: Int, _ count: Int = 32) -> [Float] {
        (0..<count).map { $0 == index ? 1 : 0 }
    }

    /// Every kind of operation at some place, for the tiny model; wide vectors do not fill their last row.
    static func richProfile(headWidth: Int = 32) -> SteeringProfile {
        let gate = SteeringProfile.Gate(layer: 0, vector: 1, .above, -0.25)
        var late = SteeringProfile.Operation(.scale, layer: 1, vector: 2, gate: gate)
        late.firstPosition = 1
        late.endPosition = 100
        var profile = profile("rich")
        profile.phase = .both
        profile.operations = [
            .init(.rotate(second: 1, target: nil), layer: 0, vector: 0),
            .init(.rotate(second: 2, target: -30.5), layer: 0, vector: 1, keepsNorm: true, gate: gate),
            late,
            .init(.add, site: .headOutputs, layer: 1, vector: 3, width: headWidth),
            .init(
                .projectOut, site: .headOutputs, layer: 1, vector: 3, width: headWidth,
                gate: .init(layer: 1, vector: 2, .below, 3, scope: .prompt)),
        ]
        let wide = SteeringProfile.rows(of: axis(headWidth - 1, headWidth), hiddenSize: 32)
        profile.vectors = [axis(0), axis(1), axis(2)] + wide
        return profile
    }
}

struct ProfileOperationTests {
    private func read(_ bytes: [UInt8]) throws -> SteeringProfile {
        try TillerProfileFile.profile(in: ByteView(copying: RawTiller(profileSection: bytes).bytes))
    }

    private func brokenRule(_ profile: SteeringProfile) -> FormatRule? {
        do {
            _ = try profile.encoded()
            return nil
        } catch { return error.rule }
    }

    private func expect(
        _ rule: FormatRule?, line: Int = #line, _ changes: ((inout SteeringProfile) -> Void)...
    ) {
        for (index, change) in changes.enumerated() {
            var profile = TinyModel.richProfile(headWidth: 48)
            change(&profile)
            #expect(brokenRule(profile) == rule, "change \(index) of line \(line)")
        }
    }

    @Test(arguments: [1, 31, 32, 33, 64, 70])
    func everyKindSurvivesTheFile(headWidth: Int) throws {
        let profile = TinyModel.richProfile(headWidth: headWidth)
        let stored = try read(profile.encoded())
        #expect(stored == profile)
        let operation = stored.operations[3]
        #expect(stored.vector(operation.vector, of: operation).count == headWidth)
        #expect(stored.vector(operation.vector, of: operation).last == 1)
    }

    @Test func membersThatOldReadersDoNotKnowAreWrittenOnlyWhereTheyAreNeeded() throws {
        let text = String(decoding: try TinyModel.profile("calm").encoded(), as: UTF8.self)
        for member in ["width", "second", "Position", "gate"] { #expect(!text.contains(member)) }
    }

    @Test func placesMustExistAndGatesBeReadInTime() {
        expect(nil, { _ in })
        expect(
            .tillerProfileOperation,
            { $0.operations[0].kind = .rotate(second: 5, target: nil) },
            { $0.operations[0].kind = .rotate(second: -1, target: nil) },
            { $0.operations[0].kind = .rotate(second: 1, target: 181) },
            { $0.operations[3].width = nil }, { $0.operations[3].width = 0 },
            { $0.operations[3].width = 65 }, { $0.operations[3].width = .max },
            { $0.operations[0].width = 32 },
            { $0.operations[3].vector = 4 }, { $0.operations[2].firstPosition = -1 },
            { $0.operations[2].endPosition = 1 }, { $0.operations[2].endPosition = .max },
            { $0.operations[1].gate?.layer = 1 }, { $0.operations[1].gate?.layer = 2 },
            { $0.operations[1].gate?.vector = 5 }, { $0.operations[1].gate?.threshold = 1e7 },
            // A gate read after layer 1 is too late for that layer's heads, not for what comes after them.
            { $0.operations[4].gate?.scope = .token }, { $0.phase = .prompt })
        expect(nil, { $0.operations[2].gate?.layer = 1 }, { $0.operations[4].gate?.layer = 0 })
        func manyGates(_ count: Int) -> (inout SteeringProfile) -> Void {
            { profile in
                profile.operations = (0..<2 * count).map { index in
                    let gate = SteeringProfile.Gate(layer: 0, vector: 1, .below, Float(index / 2))
                    return .init(.add, layer: 1, vector: 0, gate: gate)
                }
            }
        }
        expect(nil, manyGates(64))
        expect(.tillerProfileOperation, manyGates(65))
    }

    @Test func membersOfOperationsAreExactlyTheirs() throws {
        var raw = RawProfile(TinyModel.richProfile())
        func rule(_ key: String, _ value: JSON?) -> FormatRule? {
            var changed = raw
            changed.setOperation(key, value)
            do {
                _ = try read(changed.bytes)
                return nil
            } catch { return (error as? FormatError)?.rule }
        }
        #expect(rule("coefficient", 2) == nil)
        for (key, value) in [
            ("second", nil), ("second", "1"), ("target", "up"), ("condition", "always"), ("width", 32),
            ("gate", 1), ("gate", ["layer": 0]), ("firstPosition", 1.5), ("turn", 1),
        ] as [(String, JSON?)] {
            #expect(rule(key, value) == .tillerProfileOperation, "\(key)")
        }
        let gate: JSON = [
            "layer": 0, "vector": 1, "comparison": "above", "threshold": 1, "scope": "token",
        ]
        #expect(rule("gate", gate) == nil)
        for key in ["layer", "vector", "comparison", "threshold", "scope", "other"] {
            var object = gate.objectValue ?? [:]
            object[key] = key == "other" ? 1 : nil
            #expect(rule("gate", .object(object)) == .tillerProfileOperation, "gate without \(key)")
        }
        raw.vectorCount = 0
        #expect(throws: FormatError.self) { try read(raw.bytes) }
    }

    @Test func vectorsFitWhatIsDoneWithThem() {
        expect(
            .tillerProfileVectors,
            { $0.vectors[0][0] = 1.1 }, { $0.vectors[1][1] = 0.9 },
            // At a right angle no more.
            { $0.vectors[1] = $0.vectors[0] }, { $0.vectors[4][31] = 0.5 },
            { $0.vectors[4][15] = 2 }, { $0.vectors[3][0] = .nan })
        // A mask is no direction.
        expect(
            nil,
            {
                $0.operations = [.init(.scale, layer: 0, vector: 0)]
                $0.vectors = [Array(repeating: -3, count: 32)]
            })
    }

    @Test func headsAreThoseOfTheModel() throws {
        try TinyModel.richProfile(headWidth: 32).checkShape(of: TinyModel.configuration)
        let error = #expect(throws: FormatError.self) {
            try TinyModel.richProfile(headWidth: 48).checkShape(of: TinyModel.configuration)
        }
        #expect(error?.rule == .tillerProfileShape)
    }
}
