// SPDX-License-Identifier: Apache-2.0
// Calibrated conversions of tiny models: they compute the same, keep what they learnt and leave nothing half done.

import Conversion
import Evaluation
import Formats
import Glibc
import LinearAlgebra
import ModelFixtures
import Quantization
import Steering
import TestSupport
import Testing
import Tiller

@Suite struct CalibrationTests {
    private let folder = TemporaryFolder()

    private func converter(
        _ weights: TensorEncoding, _ calibration: CalibrationSource? = nil, replacing: Bool = false
    ) -> Converter {
        var converter = Converter(
            encodings: EncodingChoice(weights: weights, head: weights), calibration: Calibration(calibration),
            replacesExisting: replacing, threadCount: 2, program: "test")
        converter.keepsStatistics = true
        return converter
    }

    private func source(_ name: String) -> String { "\(TinyModel.folder)/\(name).gguf" }

    private func names() -> [String] {
        var names: [String] = []
        guard let open = opendir(folder.path) else { return [] }
        defer { closedir(open) }
        while let entry = readdir(open) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }

    /// Rescaled columns and what takes their inverse cancel but for rounding.
    @Test(arguments: TinyModel.names + TinyModel.families) func rescalingLeavesTheFunction(name: String)
        throws
    {
        let calibrated = "\(folder.path)/calibrated.tiller"
        let model = try TinyModel(name)
        _ = try converter(.int8).convert(model.source, to: calibrated)
        let statistics = try #require(try TillerFile(path: calibrated).calibration())
        var exact = Converter(
            encodings: EncodingChoice(weights: .float32, head: .float32), replacesExisting: true,
            threadCount: 2, program: "test")
        var logits: [[Float]] = []
        for statistics in [nil, statistics] {
            exact.statistics = statistics
            let path = "\(folder.path)/exact.tiller"
            _ = try exact.convert(model.source, to: path)
            let session = try Engine(path: path).makeSession(contextLength: 512)
            logits.append(session.logits(of: model.tokens, at: model.positions))
        }
        let largest = logits[0].map(abs).max() ?? 0
        let difference = zip(logits[0], logits[1]).map { abs($0 - $1) }.max() ?? 0
        #expect(largest > 0 && difference <= 1e-4 * largest, "\(difference) of \(largest)")
    }

    @Test func statisticsAndQualityAreKept() throws {
        let first = "\(folder.path)/first.tiller", second = "\(folder.path)/second.tiller"
        let summary = try converter(.int8).convert(source("llama"), to: first)
        let file = try TillerFile(path: first)
        let statistics = try #require(try file.calibration())
        #expect(statistics.tokenCount > 1000)
        let quality = try #require(ConversionQuality(file.manifest.quality))
        #expect(summary.quality == file.manifest.quality && summary.fileByteCount == file.byteCount)
        #expect(quality.mean >= 0 && quality.mean < 0.01 && quality.sameTop > 0.9 && !quality.isAlarming)
        #expect(quality.reference == "f16" && quality.perplexity > 1)
        #expect(try file.verify())
        // Another encoding takes the same statistics: nothing is calibrated, and numbers on a grid stay there.
        var phases: Set<Converter.Phase> = []
        _ = try converter(.int4).convert(first, to: second) { phase, _, _ in
            phases.insert(phase)
            return true
        }
        #expect(phases == [.convert, .measure])
        let other = try TillerFile(path: second)
        #expect(try other.calibration() == statistics)
        #expect(ConversionQuality(other.manifest.quality)?.reference == "int8")
        // A text of the user's makes others.
        let text = String(repeating: "Another text, quite unlike the first. ", count: 40)
        _ = try converter(.int4, .text(text), replacing: true).convert(first, to: second)
        #expect(try TillerFile(path: second).calibration() != statistics)
    }

    @Test func statisticsStayOutUnlessAskedFor() throws {
        var converter = converter(.int8)
        converter.keepsStatistics = false
        let path = "\(folder.path)/model.tiller"
        _ = try converter.convert(source("llama"), to: path)
        #expect(try TillerFile(path: path).calibration() == nil)
    }

    /// Whether the reports of each phase grow to their total, which for `convert` is the source's bytes.
    @Test(arguments: [false, true]) func everyPhaseReportsItsWay(isSized: Bool) throws {
        // Without OpenBLAS there is no feedback.
        guard isSized || (try? LinearAlgebra.load()) != nil else { return }
        var converter = converter(.int4)
        if isSized {
            converter.calibration?.budget = .fileByteCount(1 << 40)
        } else {
            converter.calibration?.effort = .high
        }
        var reports: [Converter.Phase: [(done: Int, total: Int)]] = [:]
        _ = try converter.convert(source("llama"), to: "\(folder.path)/model.tiller") { phase, done, total in
            reports[phase, default: []].append((done, total))
            return true
        }
        #expect(
            Set(reports.keys)
                == (isSized
                    ? [.reference, .calibrate, .compare, .convert, .measure]
                    : [.reference, .calibrate, .fit, .convert, .measure]))
        for (phase, reports) in reports {
            #expect(reports.last.map { $0.done == $0.total } == true, "\(phase)")
            #expect(Set(reports.map(\.total)).count == 1, "\(phase)")
            #expect(zip(reports, reports.dropFirst()).allSatisfy { $0.done <= $1.done }, "\(phase)")
        }
        let model = try GGUFFile(path: source("llama"))
        let byteCount = model.tensors.reduce(0) { $0 + model.bytes(of: $1).count }
        #expect(reports[.convert]?.last?.total == byteCount && reports[.reference]?.last?.total == byteCount)
    }

    @Test func anInterruptedConversionLeavesNothing() throws {
        let output = "\(folder.path)/model.tiller"
        for phase in [Converter.Phase.reference, .calibrate, .convert, .measure] {
            #expect(throws: CancellationError.self) {
                try converter(.int4).convert(source("llama"), to: output) { current, _, _ in current != phase
                }
            }
            #expect(names() == [], "after \(phase)")
        }
    }

    @Test func whatIsThereStays() throws {
        let output = "\(folder.path)/model.tiller"
        _ = try converter(.int8).convert(source("llama"), to: output)
        let before = try TillerFile(path: output).manifest
        #expect(throws: (any Error).self) { try converter(.int4).convert(source("llama"), to: output) }
        #expect(throws: (any Error).self) {
            try converter(.int4, replacing: true).convert(output, to: output)
        }
        #expect(throws: (any Error).self) {
            try converter(.int4, .text("short"), replacing: true).convert(source("llama"), to: output)
        }
        #expect(try TillerFile(path: output).manifest == before && names() == ["model.tiller"])
    }

    /// What the result is compared with holds every weight: clipped at 65504 these two would be as large as each other, and
    /// the states that they make would point elsewhere.
    @Test func qualityIsMeasuredAgainstWeightsThatAreWhole() throws {
        let copy = FolderCopy("qwen2")
        let down = "model.layers.1.mlp.down_proj.weight"
        for (row, weight) in [(0, Float(300_000)), (1, -80_000)] {
            copy.set(
                down, at: 64 * row + 5, to: withUnsafeBytes(of: weight.bitPattern.littleEndian) { Array($0) })
        }
        // A file of Float32 runs itself, and is what it is compared with.
        let exact = "\(folder.path)/exact.tiller"
        let plain = Converter(
            encodings: EncodingChoice(weights: .float32, head: .float32), replacesExisting: true,
            threadCount: 2, program: "test")
        _ = try plain.convert(copy.path, to: exact)
        let perplexities = try [copy.path, exact].map { source in
            let summary = try converter(.int8, replacing: true)
                .convert(source, to: "\(folder.path)/model.tiller")
            return try #require(summary.quality.flatMap { ConversionQuality($0) }).referencePerplexity
        }
        #expect(abs(perplexities[0] / perplexities[1] - 1) < 0.01, "\(perplexities)")
    }
}
