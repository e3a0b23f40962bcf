// SPDX-License-Identifier: Apache-2.0
// One or more broken files for each rule of formats/tiller.md, and the rule that they must be refused by.

import Formats
import JSON
import Quantization
import Steering
import Testing

struct TillerRuleTests {
    let valid: RawTiller

    init() throws { valid = try RawTiller(TinyModel.bytes()) }

    private func changed(_ change: (inout RawTiller) -> Void) -> [UInt8] {
        var file = valid
        change(&file)
        return file.bytes
    }

    private func expect(_ rule: FormatRule, _ files: [[UInt8]], line: Int = #line) {
        for (index, file) in files.enumerated() {
            let found = brokenRule(file)
            #expect(found == rule, "\(rule), file \(index) of line \(line)")
        }
    }

    @Test func theFileTakenApartAndPutTogetherIsTheSame() throws {
        #expect(try valid.bytes == TinyModel.bytes())
    }

    // MARK: - Container

    @Test func headerAndFooterAreChecked() {
        expect(
            .tillerMagic, [changed { $0.magic[0] = 0x88 }, changed { $0.magic[7] = 0x0D }, [], [0x89, 0x54]])
        expect(.tillerVersion, [changed { $0.major = 2 }, changed { $0.major = 0 }])
        expect(
            .tillerFileKind,
            [changed { $0.fileKind = 0 }, changed { $0.fileKind = 2 }, changed { $0.fileKind = .max }])
        var flipped = valid.bytes
        flipped[flipped.count - 1] ^= 1
        var reserved = valid.bytes
        reserved[63] = 1
        expect(
            .tillerFooter,
            [
                flipped, reserved, Array(valid.bytes.dropLast(1)), Array(valid.bytes[..<64]),
                Array(valid.bytes[..<20]),
                changed { $0.byteCount = .max }, changed { $0.byteCount = 64 },
            ])
        expect(
            .tillerTablePlace,
            [
                changed { $0.entryCount = 0 }, changed { $0.entryCount = 4097 },
                changed { $0.entryCount = .max },
                changed { $0.tableOffset = 0 }, changed { $0.tableOffset = .max },
                changed { $0.entryCount = UInt32($0.sections.count) },
            ])
        expect(.tillerTableDigest, [changed { $0.tableDigest = [UInt8](repeating: 1, count: 32) }])
    }

    @Test func aNewerMinorVersionIsAccepted() throws {
        let bytes = changed { $0.minor = 7 }
        #expect(brokenRule(bytes) == nil)
        #expect(try TillerFile(bytes: ByteView(copying: bytes)).version == FormatVersion(major: 1, minor: 7))
    }

    @Test func sectionsCoverTheFileWithoutGapOrOverlap() {
        expect(
            .tillerCoverage,
            [
                changed { $0[.manifest].listedOffset = 64 }, changed { $0[.manifest].listedOffset = .max },
                changed { $0[.manifest].listedByteCount = .max },
                changed { $0[.manifest].listedByteCount = 0 },
                changed { $0[.manifest].listedByteCount = 1 << 63 },
                changed { $0[.steeringProfile].listedByteCount = 64 },
                changed { $0.changeTable = { $0.removeSubrange(64..<128) } },
                changed { $0.changeTable = { $0.removeLast(64) } },
            ])
        expect(.tillerPadding, [changed { $0[.tokenizer].paddingByte = 1 }])
        expect(.tillerWeightsAlignment, [changed { $0[.weights].isOnPage = false }])
    }

    @Test func unknownSectionsAreIgnoredUnlessTheyAreRequired() throws {
        let optional = changed { $0.sections.append(.init(kind: 77, flags: 0, bytes: [1, 2, 3])) }
        #expect(brokenRule(optional) == nil)
        let later = changed { $0[.chatTemplate].flags = 2 }
        #expect(brokenRule(later) == nil)
        #expect(try TillerFile(bytes: ByteView(copying: later)).chatTemplate == nil)
        #expect(brokenRule(changed { $0.sections.append(.init(kind: 7, flags: 2, bytes: [1])) }) == nil)

        expect(
            .tillerSectionKind,
            [
                changed { $0.sections.append(.init(kind: 77, flags: 1, bytes: [1])) },
                changed { $0.sections.append(.init(kind: 9, flags: 1, bytes: [1])) },
                changed { $0[.chatTemplate].flags = 3 },
            ])
        expect(
            .tillerSectionFlags,
            [
                changed { $0[.weights].flags = 3 }, changed { $0[.manifest].flags = 1 << 31 },
                changed { $0.sections.append(.init(kind: 0, flags: 2, bytes: [0])) },
            ])
        let error = try #require(throws: FormatError.self) {
            try exerciseModel(changed { $0.sections.append(.init(kind: 9, flags: 1, bytes: [1])) })
        }
        #expect(error.found.contains("golden prompts"))
    }

    @Test func unknownSectionsSurviveAppendsAndCompaction() throws {
        let folder = TemporaryFolder()
        let bytes = changed { $0.sections.append(.init(kind: 77, flags: 4, bytes: [1, 2, 3])) }
        let path = folder.file("m.tiller", bytes)
        try TillerProfileStore.remove("calm", in: path)
        try TillerStore.compact(path)
        let file = try TillerFile(path: path)
        let section = try #require(file.sections.first { $0.kind.rawValue == 77 })
        #expect(section.flags == 4 && section.byteCount == 3)
        #expect(folder.read(path)[section.byteOffset..<(section.byteOffset + 3)].elementsEqual([1, 2, 3]))
    }

    @Test func sectionsAreCountedMeasuredAndHashed() {
        expect(
            .tillerSectionCount,
            [
                changed { $0.sections.remove(at: $0.index(of: .manifest)) },
                changed { $0.sections.remove(at: $0.index(of: .weights)) },
                changed { $0.sections.remove(at: $0.index(of: .tensorIndex)) },
                changed { $0.sections.append($0[.manifest]) }, changed { $0.sections.append($0[.tokenizer]) },
                changed { $0.sections.append($0[.chatTemplate]) },
            ])
        expect(
            .tillerSectionSize,
            [
                changed { $0[.manifest].bytes += [UInt8](repeating: 0x20, count: 1 << 20) },
                changed { $0[.chatTemplate].bytes = [UInt8](repeating: 0x20, count: (1 << 20) + 1) },
                changed { $0[.tensorIndex].bytes = [UInt8](repeating: 0, count: (2 << 20) + 32) },
            ])
        let wrong = [UInt8](repeating: 7, count: 32)
        expect(
            .tillerSectionDigest,
            [
                changed { $0[.manifest].listedDigest = wrong },
                changed { $0[.tensorIndex].listedDigest = wrong },
                changed { $0[.tokenizer].listedDigest = wrong },
                changed { $0[.chatTemplate].listedDigest = wrong },
                changed { $0[.steeringProfile].listedDigest = wrong },
            ])
        expect(.tillerChatTemplate, [changed { $0[.chatTemplate].bytes = [0xC3, 0x28] }])
    }

    @Test func freeBytesAreCheckedByVerifyWhereTheirDigestIsKnown() throws {
        func verified(_ digest: UInt8) throws -> Bool {
            let bytes = changed { $0.freeDigest = [UInt8](repeating: digest, count: 32) }
            return try TillerFile(bytes: ByteView(copying: bytes)).verify()
        }
        #expect(try verified(0))
        do {
            _ = try verified(7)
            Issue.record("a wrong digest is accepted")
        } catch let error as FormatError { #expect(error.rule == .tillerSectionDigest) }
    }

    // MARK: - Manifest

    private func manifest(_ change: (inout JSON.Object) -> Void) -> [UInt8] {
        var object = TinyModel.manifest.json.objectValue ?? [:]
        change(&object)
        return changed { $0[.manifest].bytes = JSON.object(object).serializedBytes() }
    }

    private func configuration(_ key: String, _ value: JSON?) -> [UInt8] {
        manifest {
            var configuration = $0["configuration"]?.objectValue ?? [:]
            configuration[key] = value
            $0["configuration"] = .object(configuration)
        }
    }

    @Test func theManifestIsChecked() {
        let deep = [UInt8](repeating: UInt8(ascii: "["), count: 1000)
        expect(
            .tillerManifestText,
            [
                changed { $0[.manifest].bytes = Array("{".utf8) }, changed { $0[.manifest].bytes = [0xFF] },
                changed { $0[.manifest].bytes = Array("{\"name\":1,\"name\":2}".utf8) },
                changed { $0[.manifest].bytes = deep },
            ])
        expect(
            .tillerManifestField,
            [
                changed { $0[.manifest].bytes = Array("[]".utf8) }, manifest { $0["name"] = nil },
                manifest { $0["name"] = 1 }, manifest { $0["source"] = nil }, manifest { $0["quality"] = [] },
                manifest { $0["name"] = .string(String(repeating: "n", count: 257)) },
                manifest { $0["source"] = ["fileName": "x", "sha256": "00"] },
            ])
        #expect(brokenRule(manifest { $0["anything"] = 1 }) == nil)
    }

    @Test func theConfigurationIsChecked() {
        expect(
            .tillerConfigurationField,
            [
                manifest { $0["configuration"] = nil }, configuration("hiddenSize", nil),
                configuration("hiddenSize", "32"), configuration("hiddenSize", 32.5),
                configuration("attentionLogitSoftcap", 50), configuration("hasPostNorms", 1),
                configuration("ropeScaling", nil), configuration("ropeScaling", ["type": "linear"]),
                configuration("ropeScaling", ["type": "none", "factor": 2]),
            ])
        expect(
            .tillerConfigurationRange,
            [
                configuration("hiddenSize", 0), configuration("hiddenSize", -1),
                configuration("hiddenSize", 65_537),
                configuration("vocabularySize", .integer(.max)), configuration("layerCount", 1025),
                configuration("keyValueHeadCount", 3), configuration("headSize", 15),
                configuration("contextLength", .integer(1 << 25)), configuration("rmsNormEpsilon", 0),
                configuration("ropeTheta", 0.5), configuration("attentionScale", 1e300),
                configuration("embeddingScale", -1),
                configuration("family", .string(String(repeating: "f", count: 65))),
                configuration("gateActivation", "relu"), configuration("slidingWindowPattern", 2),
                configuration("localRopeTheta", 10_000), configuration("finalLogitSoftcap", 0),
                configuration("ropeScaling", ["type": "dynamic"]),
                configuration(
                    "ropeScaling",
                    [
                        "type": "llama3", "factor": 8, "lowFrequencyFactor": 4, "highFrequencyFactor": 4,
                        "originalContextLength": 8192,
                    ]),
            ])
    }

    // MARK: - Tensor index

    /// Replaces bytes of entry `entry` of the index, from `offset` in it.
    private func index(_ entry: Int, _ offset: Int, _ bytes: [UInt8]) -> [UInt8] {
        changed { file in
            for (position, byte) in bytes.enumerated() {
                file[.tensorIndex].bytes[entry * 32 + offset + position] = byte
            }
        }
    }

    @Test func theTensorIndexIsChecked() throws {
        let huge = [UInt8](repeating: 0xFF, count: 8)
        expect(.tillerIndexSize, [changed { $0[.tensorIndex].bytes.removeLast() }])
        expect(.tillerTensorRole, [index(0, 0, [5, 0]), index(0, 0, [0xFF, 0xFF])])
        // The first entry is the token embedding, the fourth is the attention norm of layer 0.
        expect(.tillerTensorLayer, [index(0, 2, [0, 0]), index(3, 2, [0xFF, 0xFF]), index(3, 2, [0, 4])])
        expect(.tillerTensorEncoding, [index(0, 4, [7]), index(0, 4, [0xFF])])
        expect(
            .tillerTensorSize,
            [
                index(0, 5, [1]), index(0, 8, [0, 0, 0, 0]), index(0, 8, [0xFF, 0xFF, 0xFF, 0xFF]),
                index(0, 12, [33, 0, 0, 0]), index(0, 12, [0xFF, 0xFF, 0xFF, 0x7F]), index(0, 24, huge),
                index(0, 24, [0, 0, 0, 0, 0, 0, 0, 0x80]),
            ])
        expect(
            .tillerTensorPlace,
            [
                index(1, 16, huge), index(1, 16, [0, 0, 0, 0, 0, 0, 0, 0]), index(0, 16, [64]),
                changed { $0[.tensorIndex].bytes.removeLast(32) },
                changed { $0[.weights].bytes.removeLast(1) },
                changed { $0[.weights].bytes += [0] },
                changed { $0[.tensorIndex].bytes = $0[.tensorIndex].bytes + $0[.tensorIndex].bytes },
            ])
        expect(.tillerDuplicateTensor, [index(4, 2, [0, 0])])
    }

    @Test func tensorsFitTheConfiguration() throws {
        func model(_ change: (inout [(TensorRole, Int?, TensorEncoding, Int, Int)]) -> Void) throws
            -> RawTiller
        {
            var configuration = TinyModel.configuration
            configuration.layers.removeLast()
            var raw = valid
            var manifest = TinyModel.manifest
            manifest.configuration = configuration
            raw[.manifest].bytes = manifest.json.serializedBytes()
            var tensors = TinyModel.tensors(configuration)
            change(&tensors)
            var index = RawBytes()
            var weights = RawBytes()
            for (role, layer, encoding, rows, columns) in tensors {
                weights.pad(to: 64)
                let size = try #require(encoding.byteCount(rows: rows, columns: columns))
                index.u16(role.rawValue)
                index.u16(layer.map { UInt16($0) } ?? 0xFFFF)
                index.u32(UInt32(encoding.rawValue))
                index.u32(UInt32(rows))
                index.u32(UInt32(columns))
                index.u64(UInt64(weights.bytes.count))
                index.u64(UInt64(size))
                weights.bytes += [UInt8](repeating: 0, count: size)
            }
            raw[.tensorIndex].bytes = index.bytes
            raw[.weights].bytes = weights.bytes
            raw.sections.remove(at: raw.index(of: .steeringProfile))
            return raw
        }
        #expect(brokenRule(try model { _ in }.bytes) == nil)
        /// The embedding, the first tensor, in segments.
        func segments(_ segments: (TensorEncoding, rows: Int)..., columns: Int = 32, at index: Int = 1) throws
            -> [UInt8]
        {
            try model { tensors in
                let parts = segments.map { (TensorRole.tokenEmbedding, Int?.none, $0.0, $0.rows, columns) }
                tensors.removeFirst()
                tensors.insert(parts[0], at: 0)
                tensors.insert(contentsOf: parts.dropFirst(), at: index)
            }.bytes
        }
        #expect(brokenRule(try segments((.int8, 16), (.int4, 4))) == nil)
        expect(
            .tillerDuplicateTensor,
            [
                try segments((.int8, 4), (.int4, 16)), try segments((.int8, 16), (.int4, 4), at: 2),
                try segments((.int8, 16), (.float16, 4)),
                try model { $0.insert(($0[2].0, $0[2].1, .int8, 16, 32), at: 2) }.bytes,
            ])
        expect(
            .tillerTensorShape,
            [try segments((.int8, 16), (.int4, 5)), try segments((.int8, 16), (.int4, 16))])
        let count = TinyModel.tensors().count
        for index in 0..<(count / 2) {
            expect(.tillerMissingTensor, [try model { $0.remove(at: index) }.bytes])
        }
        expect(
            .tillerUnexpectedTensor,
            [
                try model { $0.append((.output, nil, .int4, 20, 32)) }.bytes,
                try model { $0.append((.queryNorm, 0, .vector, 1, 16)) }.bytes,
                try model { $0.append((.query, 1, .int4, 32, 32)) }.bytes,
            ])
        expect(
            .tillerTensorShape,
            [
                try model { $0[0].3 = 21 }.bytes, try model { $0[0].4 = 64 }.bytes,
                try model { $0[1].4 = 31 }.bytes,
                try model { $0[0].2 = .vector }.bytes, try model { $0[1].2 = .float32 }.bytes,
            ])
    }

    // MARK: - Profiles

    private func profile(_ change: (inout RawProfile) -> Void) -> [UInt8] {
        changed {
            var raw = RawProfile(TinyModel.profile("calm"))
            change(&raw)
            $0[.steeringProfile].bytes = raw.bytes
        }
    }

    @Test func profilesAreChecked() {
        #expect(brokenRule(profile { _ in }) == nil)
        expect(
            .tillerProfileLayout,
            [
                changed { $0[.steeringProfile].bytes.removeLast() },
                changed { $0[.steeringProfile].bytes = [1] },
                profile { $0.vectorCount = 0 }, profile { $0.vectorCount = .max },
                profile { $0.hiddenSize = 0 },
                profile { $0.hiddenSize = .max }, profile { $0.textByteCount = .max },
                profile { $0.reserved = 1 },
                profile { $0.paddingByte = 1 }, profile { $0.vectors.append(0) },
            ])
        expect(
            .tillerProfileName,
            [
                profile { $0.name = [] }, profile { $0.name = Array("a b".utf8) },
                profile { $0.name = [0xC3, 0xA4] },
                profile { $0.name = [0x61, 0, 0x61] },
            ])
        expect(.tillerDuplicateProfile, [changed { $0.sections.append($0[.steeringProfile]) }])
        expect(.tillerProfileText, [profile { $0.text = Array("{]".utf8) }, profile { $0.text = [0xFF] }])
        expect(
            .tillerProfileField,
            [
                profile { $0.set("description", nil) }, profile { $0.set("sourceHash", "0") },
                profile { $0.set("layerCount", 0) }, profile { $0.set("phase", "always") },
                profile { $0.set("residualRMS", [1]) }, profile { $0.set("residualRMS", [1, 0]) },
                profile { $0.set("residualRMS", [1, 1e300]) }, profile { $0.set("recommendedStrength", 3) },
                profile { $0.set("maximumStrength", 1e9) }, profile { $0.set("evaluation", 1) },
            ])
        expect(
            .tillerProfileOperation,
            [
                profile { $0.set("operations", []) }, profile { $0.setOperation("kind", "rotate") },
                profile { $0.setOperation("site", "nowhere") }, profile { $0.setOperation("layer", 2) },
                profile { $0.setOperation("layer", -1) }, profile { $0.setOperation("vector", 2) },
                profile { $0.setOperation("coefficient", 1e39) },
                profile { $0.setOperation("keepsNorm", nil) },
                profile { $0.setOperation("angle", 1) }, profile { $0.setOperation("kind", "clamp") },
            ])
        expect(
            .tillerProfileVectors,
            [
                profile { $0.vectors[3] = Float.nan.bitPattern },
                profile { $0.vectors[63] = Float.infinity.bitPattern },
                profile { $0.vectors[33] = Float(1.1).bitPattern },
            ])
    }

    @Test func aProfileFileHoldsAProfileAlone() throws {
        let section = valid[.steeringProfile]
        var file = RawTiller(profileSection: section.bytes)
        #expect(try exerciseProfileFile(file.bytes) > 0)
        file.sections.append(.init(kind: 77, flags: 0, bytes: [1]))
        #expect(try exerciseProfileFile(file.bytes) > 0)
        file.sections.append(valid[.manifest])
        let error = #expect(throws: FormatError.self) { try exerciseProfileFile(file.bytes) }
        #expect(error?.rule == .tillerSectionKind)
        file.sections = []
        #expect(throws: FormatError.self) { try exerciseProfileFile(file.bytes) }
        file.sections = [section, section]
        let double = #expect(throws: FormatError.self) { try exerciseProfileFile(file.bytes) }
        #expect(double?.rule == .tillerSectionCount)
    }

    @Test func profilesAreBoundToTheirModel() throws {
        let model = try TillerFile(bytes: ByteView(copying: valid.bytes))
        var profile = TinyModel.profile("calm")
        try profile.checkShape(of: model.manifest.configuration)
        try profile.checkSource(of: model.manifest)
        profile.layerCount = 3
        let shape = #expect(throws: FormatError.self) {
            try profile.checkShape(of: model.manifest.configuration)
        }
        #expect(shape?.rule == .tillerProfileShape)
        profile.sourceHash = .zero
        let source = #expect(throws: FormatError.self) { try profile.checkSource(of: model.manifest) }
        #expect(source?.rule == .tillerProfileSource)
    }

    @Test func everyPrefixIsRefusedOrThePreviousState() {
        let bytes = valid.bytes
        for count in 0..<bytes.count { #expect(brokenRule(Array(bytes[..<count])) != nil) }
    }
}

/// A profile's section, field by field.
struct RawProfile {
    var name: [UInt8]
    var textByteCount: UInt32?
    var vectorCount: UInt32
    var hiddenSize: UInt32
    var reserved: UInt32 = 0
    var text: [UInt8]
    var paddingByte: UInt8 = 0
    var vectors: [UInt32]
    private var object: JSON.Object

    init(_ profile: SteeringProfile) {
        name = Array(profile.name.utf8)
        vectorCount = UInt32(profile.vectors.count)
        hiddenSize = UInt32(profile.hiddenSize)
        vectors = profile.vectors.flatMap { $0.map(\.bitPattern) }
        // The JSON part has no accessor of its own: it lies in the encoded section.
        let section = (try? profile.encoded()) ?? []
        let size = (0..<4).reduce(0) { $0 | Int(section[64 + $1]) << (8 * $1) }
        text = Array(section[80..<(80 + size)])
        object = (try? JSON.parse(text))?.objectValue ?? [:]
    }

    mutating func set(_ key: String, _ value: JSON?) {
        object[key] = value
        text = JSON.object(object).serializedBytes()
    }

    /// Changes a member of the first operation.
    mutating func setOperation(_ key: String, _ value: JSON?) {
        var operations = object["operations"]?.arrayValue ?? []
        var operation = operations[0].objectValue ?? [:]
        operation[key] = value
        operations[0] = .object(operation)
        set("operations", .array(operations))
    }

    var bytes: [UInt8] {
        var raw = RawBytes(bytes: name)
        raw.pad(to: 64)
        raw.u32(textByteCount ?? UInt32(text.count))
        raw.u32(vectorCount)
        raw.u32(hiddenSize)
        raw.u32(reserved)
        raw.bytes += text
        while raw.bytes.count % 64 != 0 { raw.u8(paddingByte) }
        for value in vectors { raw.u32(value) }
        return raw.bytes
    }
}
