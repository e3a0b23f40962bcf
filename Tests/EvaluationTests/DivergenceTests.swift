// SPDX-License-Identifier: Apache-2.0

import Evaluation
import Glibc
import ModelFixtures
import Quantization
import TestSupport
import Testing
import Tiller

@Suite struct DivergenceTests {
    private let folder = TemporaryFolder()
    private let text = String(repeating: "the quick brown fox jumps over the lazy dog. ", count: 12)

    private func position(_ reference: [Float], _ model: [Float], next: Int) -> PositionDivergence {
        reference.withUnsafeBufferPointer { r in
            model.withUnsafeBufferPointer { m in PositionDivergence(reference: r, model: m, next: next) }
        }
    }

    private func measure(
        _ model: Engine, _ reference: Engine, steering: [AppliedProfile] = [], context: Int = 64
    )
        throws -> Divergence
    {
        try DivergenceMeter(engine: model, reference: reference, steering: steering, contextLength: context)
            .measure(text)
    }

    // MARK: - Known answers

    @Test(arguments: [Float(0), -300, 80])
    func rowsAreComparedAsDistributions(offset: Float) {
        // P = (½, ¼, ¼), Q = (¼, ½, ¼); logits have any offset.
        let p = [0.5, 0.25, 0.25].map { Float(log($0)) + offset }
        let q = [0.25, 0.5, 0.25].map { Float(log($0)) - offset }
        let found = position(p, q, next: 1)
        // A Float near 300 is rounded to 2⁻¹⁵ = 3e-5, half of that up or down.
        #expect(abs(found.divergence - 0.25 * log(2)) < 4e-5)
        #expect(abs(found.loss - log(2)) < 4e-5 && abs(found.referenceLoss - log(4)) < 4e-5)
        #expect(!found.isSameTop)
        let same = position(p, p, next: 0)
        #expect(same.divergence == 0 && same.isSameTop && same.loss == same.referenceLoss)
    }

    @Test func figuresAreThoseOfTheDefinitions() {
        let divergence = Divergence(
            (0...10).map { index in
                PositionDivergence(
                    divergence: Double(10 - index), isSameTop: index < 8, loss: log(4), referenceLoss: log(2))
            })
        #expect(divergence.tokenCount == 11)
        #expect(divergence.mean == 5 && divergence.median == 5 && divergence.largest == 10)
        #expect(divergence.quantile(0.9) == 9)
        #expect(abs(divergence.quantile(0.99) - 9.9) < 1e-12)
        #expect(abs(divergence.sameTop - 8.0 / 11) < 1e-12)
        #expect(abs(divergence.probabilityDifference - 0.25) < 1e-12)
        #expect(abs(divergence.perplexity - 4) < 1e-12 && abs(divergence.referencePerplexity - 2) < 1e-12)
        #expect(abs(divergence.lossRise - log(2)) < 1e-12 && divergence.lossRiseError < 1e-12)
        let twice = Divergence(joining: [divergence, divergence])
        #expect(twice.tokenCount == 22 && abs(twice.mean - 5) < 1e-12)
    }

    // MARK: - Models

    @Test(arguments: ["llama", "mistral", "gemma3"])
    func aModelDoesNotDivergeFromItself(name: String) throws {
        let engine = try TinyModel(name).engine(in: folder)
        let found = try measure(engine, engine)
        #expect(found.mean == 0 && found.largest == 0 && found.sameTop == 1)
        #expect(found.lossRise == 0 && found.probabilityDifference == 0)
        let chunks = engine.encode(text).count / 64
        #expect(found.tokenCount == chunks * 31)
    }

    @Test func coarserWeightsDivergeMore() throws {
        let model = try TinyModel("llama")
        let reference = try model.engine(.float32, in: folder)
        let divergences = try [TensorEncoding.float16, .int8, .int4].map {
            try measure(model.engine($0, in: folder) { $0.cache = .float32 }, reference).mean
        }
        #expect(divergences[0] > 0 && divergences[0] < divergences[1] && divergences[1] < divergences[2])
        #expect(divergences[1] < 0.01)
    }

    @Test func thePerplexitiesAreThoseOfTheOtherMeasurement() throws {
        let model = try TinyModel("qwen3")
        let (coarse, fine) = (try model.engine(.int4, in: folder), try model.engine(in: folder))
        let found = try measure(coarse, fine, context: 50)
        let (a, b) = (
            try Perplexity.measure(text, engine: coarse, contextLength: 50),
            try Perplexity.measure(text, engine: fine, contextLength: 50)
        )
        #expect(found.tokenCount == a.tokenCount)
        // The other's normalizers are Floats below 16: rounded to 2⁻²¹ each.
        #expect(abs(log(found.perplexity) - a.mean) < 1e-6)
        #expect(abs(log(found.referencePerplexity) - b.mean) < 1e-6)
    }

    // MARK: - Refusals

    @Test func otherVocabulariesAreRefused() throws {
        let llama = try TinyModel("llama").engine(in: folder)
        let mistral = try TinyModel("mistral").engine(in: folder)
        do {
            _ = try DivergenceMeter(engine: llama, reference: mistral)
            Issue.record("not refused")
        } catch { #expect("\(error)".contains("different vocabularies: token")) }
    }

    @Test func shortTextsAreRefused() throws {
        let engine = try TinyModel("llama").engine(in: folder)
        let meter = try DivergenceMeter(engine: engine, reference: engine, contextLength: 64)
        do {
            _ = try meter.measure("short")
            Issue.record("not refused")
        } catch { #expect("\(error)".contains("one chunk needs 64")) }
    }
}
