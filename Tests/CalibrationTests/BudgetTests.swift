// SPDX-License-Identifier: Apache-2.0
// Sizes that were asked for, and what the bytes are spent on.

import Calibration
import Conversion
import Formats
import ModelFixtures
import Quantization
import TestSupport
import Testing

@Suite struct BudgetTests {
    private let folder = TemporaryFolder()

    private func group(_ role: TensorRole, _ layer: Int, _ bytes: Int) -> TensorGroup {
        TensorGroup(keys: [TensorKey(role, layer)], extraByteCount: bytes)
    }

    @Test func bytesGoWhereTheDamageIs() {
        let (value, up) = (group(.value, 0, 10), group(.up, 0, 100))
        let (down, key) = (group(.down, 0, 100), group(.key, 0, 1000))
        let allocation = BitAllocation([(down, 1), (value, 0.9), (up, 3), (key, 9)])
        #expect(allocation.upgrades(byteCount: 9) == [])
        #expect(allocation.upgrades(byteCount: 10) == [value])
        #expect(allocation.upgrades(byteCount: 115) == [value, up])
        // By rank value and up come first and leave no room for key, which is worth more than both.
        #expect(allocation.upgrades(byteCount: 1005) == [key])
        #expect(allocation.upgrades(byteCount: 5000).count == 4)
    }

    @Test func commonTokensComeFirst() {
        var probabilities = [Double](repeating: 0.001, count: 600)
        probabilities[300] = 3
        let tokens = TokenShares(probabilities: probabilities)
        #expect(tokens.blocks.map { $0.rows } == [0..<256, 256..<512, 512..<600])
        #expect(abs(tokens.blocks.reduce(0) { $0 + $1.share } - 1) < 1e-12)
        let head = TensorGroup(keys: [TensorKey(.tokenEmbedding, nil)], extraByteCount: 6000)
        let blocks = head.blocks(tokens, damage: 2)
        #expect(blocks.map { $0.group.extraByteCount } == [2560, 2560, 880])
        let allocation = BitAllocation(blocks + [(group: group(.value, 0, 2000), damage: 1e-4)])
        #expect(allocation.upgrades(byteCount: 2600).compactMap { $0.rows } == [256..<512])
        #expect(allocation.upgrades(byteCount: 1 << 20).compactMap { $0.rows }.joinedNeighbours == [0..<600])
        #expect([5..<7, 0..<2, 2..<4].joinedNeighbours == [0..<4, 5..<7])
    }

    private func convert(_ budget: Budget?, _ weights: TensorEncoding = .int4) throws -> TillerFile {
        let output = "\(folder.path)/model.tiller"
        var converter = CalibratedConverter(
            encodings: EncodingChoice(weights: weights, head: weights), calibration: nil,
            replacesExisting: true, threadCount: 2, program: "test")
        converter.budget = budget
        _ = try converter.convert("\(TinyModel.folder)/llama.gguf", to: output)
        return try TillerFile(path: output)
    }

    @Test func filesMeetTheirSize() throws {
        let low = try convert(nil, .int4), high = try convert(nil, .int8)
        let between = low.byteCount + 16_384 + (high.byteCount - low.byteCount) / 2
        let file = try convert(.fileByteCount(between))
        #expect(file.byteCount <= between && file.byteCount > low.byteCount)
        let encodings = Set(file.tensorIndex.entries.map(\.encoding))
        #expect(encodings.isSuperset(of: [.int4, .int8]))
        #expect(try convert(.fileByteCount(1 << 40)).weights.count == high.weights.count)
        let error = #expect(throws: (any Error).self) { try convert(.fileByteCount(low.byteCount / 2)) }
        #expect(error.map { "\($0)" }?.contains("too small for this model") == true)
    }

    @Test func bitsByWeightAreMet() throws {
        let low = try convert(nil, .int4)
        let count = Double(low.tensorIndex.entries.reduce(0) { $0 + $1.rows * $1.columns })
        let wanted = Double(low.weights.count) * 8 / count + 1.5
        let bits = Double(try convert(.bitsPerWeight(wanted)).weights.count) * 8 / count
        #expect(bits <= wanted + 0.02 && bits > wanted - 1)
        #expect(throws: (any Error).self) { try convert(.bitsPerWeight(1)) }
    }
}
