// SPDX-License-Identifier: Apache-2.0
// Tens of thousands of damaged files: each is either refused with an error or can be used completely;
// nothing may trap. Damage behind a digest would only test the digest, so most files are sealed anew.

import Formats
import Quantization
import Steering
import TestSupport
import Testing

/// Seeded damage of a byte sequence.
struct Mutator {
    var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &generator) }

    /// Values at the borders of what integers hold, and of what sums of them do.
    private static let extremes: [UInt64] = [
        0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 32,
        1 << 62, (1 << 63) - 1, 1 << 63, .max - 63, .max - 1, .max,
    ]

    /// Damages `bytes` in one to three places.
    mutating func mutate(_ bytes: inout [UInt8]) {
        for _ in 0...below(3) {
            guard !bytes.isEmpty else { return bytes.append(UInt8(below(256))) }
            let position = below(bytes.count)
            switch below(8) {
            case 0: bytes[position] ^= 1 << UInt8(below(8))
            case 1: bytes[position] = UInt8(below(256))
            case 2, 3, 4: setInteger(&bytes, at: position & ~3, byteCount: below(2) == 0 ? 4 : 8)
            case 5: bytes.removeSubrange(position..<min(position + 1 + below(64), bytes.count))
            case 6: bytes.insert(contentsOf: (0...below(16)).map { _ in UInt8(below(256)) }, at: position)
            default:
                // A piece of the file at another place: plausible numbers where they do not belong.
                let source = below(bytes.count)
                let count = min(8 << below(4), bytes.count - max(source, position))
                bytes.replaceSubrange(position..<(position + count), with: bytes[source..<(source + count)])
            }
        }
    }

    private mutating func setInteger(_ bytes: inout [UInt8], at position: Int, byteCount: Int) {
        var value = Self.extremes[below(Self.extremes.count)]
        if below(4) == 0 { value = UInt64(below(bytes.count * 2)) }
        for index in 0..<min(byteCount, bytes.count - position) {
            bytes[position + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
        }
    }
}

/// How the files of one run ended.
struct Outcome {
    var accepted = 0
    var refused: [FormatRule: Int] = [:]

    mutating func count(_ body: () throws(FormatError) -> Int) {
        do {
            _ = try body()
            accepted += 1
        } catch {
            // Errors are texts for people: making them may not trap either.
            #expect(!error.description.isEmpty)
            refused[error.rule, default: 0] += 1
        }
    }

    func report(_ name: String) {
        let total = accepted + refused.values.reduce(0, +)
        print("\(name): \(total) mutations, \(accepted) accepted, \(refused.count) different rules broken")
    }
}

struct MutationTests {
    @Test func mutatedGGUFFilesAreReadOrRefused() {
        var writer = GGUFWriter()
        writer.set("general.architecture", .string("llama"))
        writer.set("general.alignment", .uint32(32))
        writer.set("tokenizer.ggml.tokens", .strings(["<s>", "a", "", "ab", "ä"]))
        writer.set("tokenizer.ggml.scores", .floats([0, -1, -2, -3]))
        writer.set("tokenizer.ggml.token_type", .integers([3, 1, 1, 1]))
        writer.set("llama.rope.freq_base", .float32(10_000))
        writer.set("flag", .bool(true))
        writer.set("big", .uint64(.max))
        writer.add("token_embd.weight", dimensions: [3, 4], values: [Float](repeating: 1, count: 12))
        writer.add("q4", type: .q4_0, dimensions: [2, 32], bytes: [UInt8](repeating: 5, count: 36))
        writer.add("q6", type: .q6_K, dimensions: [1, 1, 256], bytes: [UInt8](repeating: 5, count: 210))
        let valid = writer.bytes()
        let headByteCount = valid.count - 384
        var mutator = Mutator(seed: 1)
        var outcome = Outcome()
        for round in 0..<40_000 {
            var bytes = valid
            if round % 3 == 0 {
                mutator.mutate(&bytes)
            } else {
                // Most of the file's rules concern its head.
                var head = Array(bytes[..<headByteCount])
                mutator.mutate(&head)
                bytes.replaceSubrange(..<headByteCount, with: head)
            }
            if round % 16 == 0 { bytes.removeLast(mutator.below(bytes.count)) }
            outcome.count { () throws(FormatError) in try exerciseGGUF(bytes) }
        }
        outcome.report("GGUF")
        #expect(outcome.refused.count >= 18)
    }

    @Test(arguments: 0..<2) func mutatedModelFilesAreReadOrRefused(part: Int) throws {
        let valid = try TinyModel.bytes(
            profiles: [TinyModel.profile("a"), TinyModel.profile("b", seed: 2)],
            calibration: TinyModel.calibration, headScaling: TinyModel.headScaling)
        let raw = try RawTiller(valid)
        var mutator = Mutator(seed: UInt64(100 + part))
        var outcome = Outcome()
        for round in 0..<20_000 {
            var file = raw
            var bytes: [UInt8]
            switch round % 10 {
            case 0:
                bytes = valid
                mutator.mutate(&bytes)
            case 1:
                // The table of contents, sealed again.
                var table = mutator
                file.changeTable = { table.mutate(&$0) }
                bytes = file.bytes
                mutator = table
            case 2:
                switch mutator.below(4) {
                case 0:
                    file.entryCount = UInt32(
                        truncatingIfNeeded: mutator.generator.next() >> UInt64(mutator.below(60)))
                case 1: file.tableOffset = mutator.generator.next() >> UInt64(mutator.below(64))
                case 2: file.byteCount = mutator.generator.next() >> UInt64(mutator.below(64))
                default: file.minor = UInt16(mutator.below(65_536))
                }
                bytes = file.bytes
            default:
                // A section's content under a correct digest; the weights mean nothing to the reader.
                let indices = file.sections.indices.filter {
                    file.sections[$0].kind != SectionKind.weights.rawValue
                }
                mutator.mutate(&file.sections[indices[mutator.below(indices.count)]].bytes)
                bytes = file.bytes
            }
            outcome.count { () throws(FormatError) in try exerciseModel(bytes) }
        }
        outcome.report("Models")
        #expect(outcome.refused.count >= 25)
    }

    @Test(arguments: [TinyModel.profile("calm"), TinyModel.richProfile(headWidth: 48)])
    func mutatedProfileFilesAreReadOrRefused(profile: SteeringProfile) throws {
        let valid = try TillerProfileFile.bytes(of: profile)
        let section = try profile.encoded()
        var mutator = Mutator(seed: 7)
        var outcome = Outcome()
        for round in 0..<30_000 {
            var bytes: [UInt8]
            if round % 5 == 0 {
                bytes = valid
                mutator.mutate(&bytes)
            } else if round % 5 == 1 {
                // The fixed part alone.
                var head = Array(section[..<80])
                mutator.mutate(&head)
                bytes = RawTiller(profileSection: head + section[80...]).bytes
            } else {
                var content = section
                mutator.mutate(&content)
                bytes = RawTiller(profileSection: content).bytes
            }
            outcome.count { () throws(FormatError) in try exerciseProfileFile(bytes) }
        }
        outcome.report("Profiles")
        #expect(outcome.refused.count >= 10)
    }

    @Test func whatIsAcceptedCanBeAppendedTo() throws {
        let folder = TemporaryFolder()
        let raw = try RawTiller(TinyModel.bytes())
        var mutator = Mutator(seed: 11)
        var appendedCount = 0
        while appendedCount < 100 {
            var file = raw
            mutator.mutate(&file.sections[mutator.below(file.sections.count)].bytes)
            var bytes = file.bytes
            // Some have a torn append behind them, which may look like anything.
            if mutator.below(2) == 0 { bytes += bytes.suffix(mutator.below(bytes.count)).dropLast(1) }
            guard (try? exerciseModel(bytes)) != nil else { continue }
            let path = folder.file("m.tiller", bytes)
            let before = try TillerFile(path: path)
            try TillerProfileStore.add(TinyModel.profile("appended"), in: path, acceptsOtherSource: true)
            let after = try TillerFile(path: path)
            #expect(after.profiles.map(\.name) == before.profiles.map(\.name) + ["appended"])
            #expect(after.manifest == before.manifest && after.tornByteCount == 0)
            #expect(after.generation == before.generation + 1)
            appendedCount += 1
        }
    }

    @Test func garbageIsRefused() {
        var mutator = Mutator(seed: 9)
        for _ in 0..<2_000 {
            let noise = (0..<mutator.below(600)).map { _ in UInt8(mutator.below(256)) }
            #expect(throws: FormatError.self) { try exerciseModel(noise) }
            #expect(throws: FormatError.self) {
                try exerciseModel([0x89] + Array("TILLER\n".utf8) + [1, 0, 0, 0, 1, 0, 0, 0] + noise)
            }
            #expect(throws: FormatError.self) { try exerciseGGUF(noise) }
            #expect(throws: FormatError.self) { try exerciseModel([0x7F] + Array("ELF".utf8) + noise) }
        }
    }
}

/// Opens a GGUF file, decodes all metadata and reads every tensor's first and last byte.
@discardableResult
func exerciseGGUF(_ bytes: [UInt8]) throws(FormatError) -> Int {
    let file = try GGUFFile(bytes: ByteView(copying: bytes))
    var sum = 0
    for key in file.metadata.keys {
        guard let value = file.metadata[key] else { continue }
        sum &+= value.string?.utf8.count ?? 0
        sum &+= value.integer ?? 0
        sum &+= value.float.map { $0.isFinite ? 1 : 2 } ?? 0
        sum &+= value.bool == true ? 1 : 0
        value.strings?.forEach { sum &+= $0.reduce(0) { $0 &+ Int($1) } }
        sum &+= value.integers?.reduce(0, &+) ?? 0
        sum &+= value.floats?.count ?? 0
        sum &+= value.bools?.count ?? 0
    }
    for tensor in file.tensors {
        let bytes = file.bytes(of: tensor)
        sum &+= Int(bytes[0]) &+ Int(bytes[bytes.count - 1]) &+ tensor.rows &+ tensor.columns
    }
    return sum
}
