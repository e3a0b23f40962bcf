// SPDX-License-Identifier: Apache-2.0
// The section that says how the heads' outputs of a file differ from the source's: what is written is read, nothing else is,
// and profiles go only where their basis is known.

import Formats
import Steering
import Testing

extension TinyModel {
    /// One layer is scaled, one is not.
    static var headScaling: HeadScaling {
        var scaling = HeadScaling(layerCount: configuration.layerCount)
        scaling.divide(layer: 1, by: (0..<configuration.keyValueSize).map { 0.5 + Float($0) / 7 })
        return scaling
    }
}

@Suite struct HeadScalingTests {
    private let folder = TemporaryFolder()

    private func file(_ change: (inout RawTiller.Section) -> Void = { _ in }) throws -> [UInt8] {
        var raw = try RawTiller(TinyModel.bytes(headScaling: TinyModel.headScaling))
        change(&raw[.headScaling])
        return raw.bytes
    }

    @Test func factorsSurviveTheFile() throws {
        let read = try TillerFile(bytes: ByteView(copying: file())).headScaling
        #expect(read == TinyModel.headScaling && read?.factors[0] == nil)
        #expect(try TinyModel.bytes(headScaling: read) == file())
        #expect(try TillerFile(bytes: ByteView(copying: TinyModel.bytes())).headScaling == nil)
        // A file that is scaled twice has both factors; an unscaled one takes a few bytes.
        var twice = TinyModel.headScaling
        twice.divide(layer: 1, by: [Float](repeating: 2, count: TinyModel.configuration.keyValueSize))
        #expect(twice.factors[1] == TinyModel.headScaling.factors[1]?.map { 2 * $0 })
        let plain = try RawTiller(
            TinyModel.bytes(headScaling: HeadScaling(layerCount: TinyModel.configuration.layerCount)))
        #expect(plain.sections.first { $0.kind == 11 }?.bytes.count == 16)
    }

    @Test func queryHeadsShareTheFactorsOfTheirValueHead() {
        let configuration = TinyModel.configuration
        let (headSize, shared) = (
            configuration.headSize, configuration.headCount / configuration.keyValueHeadCount
        )
        let outputs = TinyModel.headScaling.outputFactors(layer: 1, configuration) ?? []
        #expect(outputs.count == configuration.querySize && shared > 1)
        for (index, factor) in outputs.enumerated() {
            let (head, element) = index.quotientAndRemainder(dividingBy: headSize)
            #expect(factor == TinyModel.headScaling.factors[1]?[head / shared * headSize + element])
        }
        #expect(TinyModel.headScaling.outputFactors(layer: 0, configuration) == nil)
    }

    @Test func otherLayoutsAreRefused() throws {
        let broken = [
            try file { $0.bytes.removeLast(4) }, try file { $0.bytes += [0, 0, 0, 0] },
            try file { $0.bytes = [1] }, try file { $0.bytes.removeLast($0.bytes.count - 8) },
            // Layers, value rows, factors of a layer.
            try file { $0.bytes[0] += 1 }, try file { $0.bytes[4] += 1 }, try file { $0.bytes[8] = 1 },
            try file { $0.bytes[12] -= 1 }, try file { $0.bytes[15] = 255 },
        ]
        for (index, bytes) in broken.enumerated() {
            #expect(brokenRule(bytes) == .tillerHeadScaling, "file \(index)")
        }
        for factor in [Float.nan, .infinity, 0, -1, 1e-45] {
            let bits = withUnsafeBytes(of: factor.bitPattern.littleEndian) { Array($0) }
            #expect(
                try brokenRule(file { $0.bytes.replaceSubrange(20..<24, with: bits) }) == .tillerHeadScaling)
        }
        var twice = try RawTiller(file())
        twice.sections.append(twice[.headScaling])
        #expect(brokenRule(twice.bytes) == .tillerSectionCount)
    }

    /// A profile for the heads as the source has them needs a file that knows them; one for the heads of a file stays there.
    @Test func profilesGoWhereTheirBasisIsKnown() throws {
        let unknown = folder.file("unknown.tiller", try TinyModel.bytes(profiles: []))
        let known = folder.file(
            "known.tiller", try TinyModel.bytes(profiles: [], headScaling: TinyModel.headScaling))
        var profile = TinyModel.richProfile()
        try profile.checkHeadBasis(nil, isFromThere: true)
        try TillerProfileStore.add(profile, in: unknown)
        for scaling in [nil, TinyModel.headScaling] {
            let error = #expect(throws: FormatError.self) {
                try profile.checkHeadBasis(scaling, isFromThere: false)
            }
            #expect(error?.rule == .tillerProfileBasis)
        }
        for index in [3, 4] { profile.operations[index].basis = .source }
        try TillerProfileStore.add(profile, in: known)
        #expect(try TillerFile(path: known).profile(named: profile.name) == profile)
        let error = #expect(throws: FormatError.self) {
            try TillerProfileStore.add(profile, in: unknown, replacesExisting: true)
        }
        #expect(error?.rule == .tillerProfileBasis)
        try TillerProfileStore.add(profile, in: unknown, replacesExisting: true, acceptsOtherSource: true)
        // What acts elsewhere fits every file.
        for scaling in [nil, TinyModel.headScaling] {
            try TinyModel.profile("calm").checkHeadBasis(scaling, isFromThere: false)
        }
    }
}
