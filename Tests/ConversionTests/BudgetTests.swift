// SPDX-License-Identifier: Apache-2.0
// Sizes that were asked for, and what the bytes are spent on.

import Conversion
import Formats
import ModelFixtures
import Quantization
import TestSupport
import Testing

@Suite struct BudgetTests {
    private let folder = TemporaryFolder()

    private func group(_ role: TensorRole, _ layer: Int) -> TensorGroup {
        TensorGroup(keys: [TensorKey(role, layer)])
    }

    /// Bytes and damages in int4 and int8.
    private func costs(_ low: Int, _ high: Int, _ damage: Double) -> [EncodingCost] {
        [
            EncodingCost(.int4, byteCount: low, damage: damage),
            EncodingCost(.int8, byteCount: high, damage: 0),
        ]
    }

    @Test func bytesGoWhereTheDamageIs() {
        let (value, up, down) = (group(.value, 0), group(.up, 0), group(.down, 0))
        let allocation = BitAllocation([
            (down, costs(100, 200, 1)), (value, costs(10, 20, 0.9)), (up, costs(100, 200, 3)),
        ])
        #expect(allocation.leastByteCount == 210)
        #expect(allocation.greatestByteCount == 420)
        func inInt8(_ byteCount: Int) -> [TensorGroup] {
            allocation.choice(byteCount: byteCount).filter { $0.encoding == .int8 }.map(\.group)
        }
        #expect(inInt8(219) == [])
        #expect(inInt8(220) == [value])
        #expect(inInt8(320) == [value, up])
        #expect(inInt8(420) == [down, value, up])
    }

    @Test func stepsThatPayLessThanTheNextAreLeftOut() {
        let key = group(.key, 0)
        func cost(_ encoding: TensorEncoding, _ bytes: Int, _ damage: Double) -> EncodingCost {
            EncodingCost(encoding, byteCount: bytes, damage: damage)
        }
        // From 3 to 4 bits little is won, and 5 bits are worse than 4.
        let allocation = BitAllocation([
            (key, [cost(.int8, 80, 0), cost(.int5, 50, 9), cost(.int3, 30, 10), cost(.int4, 40, 8.9)])
        ])
        #expect(allocation.choice(byteCount: 79).map(\.encoding) == [.int3])
        #expect(allocation.choice(byteCount: 80).map(\.encoding) == [.int8])
        let convex = BitAllocation([
            (key, [cost(.int8, 80, 0), cost(.int5, 50, 1), cost(.int3, 30, 20), cost(.int4, 40, 5)])
        ])
        #expect(
            (3...8).map { convex.choice(byteCount: $0 * 10)[0].encoding } == [
                .int3, .int4, .int5, .int5, .int5, .int8,
            ])
    }

    @Test func commonTokensComeFirst() {
        var probabilities = [Double](repeating: 0.001, count: 150)
        probabilities[75] = 3
        let tokens = TokenShares(probabilities: probabilities)
        #expect(tokens.blocks.map { $0.rows } == [0..<64, 64..<128, 128..<150])
        #expect(abs(tokens.blocks.reduce(0) { $0 + $1.share } - 1) < 1e-12)
        let head = TensorGroup(keys: [TensorKey(.tokenEmbedding, nil)])
        let blocks = head.blocks(tokens, costs(1500, 3000, 2))
        #expect(blocks.map { $0.costs.map(\.byteCount) } == [[640, 1280], [640, 1280], [220, 440]])
        let allocation = BitAllocation(blocks + [(group: group(.value, 0), costs: costs(500, 1000, 1e-4))])
        #expect(
            allocation.choice(byteCount: 2000 + 650).filter { $0.encoding == .int8 }.map(\.group.rows)
                == [64..<128])
        let segments = [5..<7, 0..<2, 2..<4].map { RowSegment($0, .int8) } + [RowSegment(7..<9, .int4)]
        #expect(
            segments.joinedNeighbours
                == [RowSegment(0..<4, .int8), RowSegment(5..<7, .int8), RowSegment(7..<9, .int4)])
    }

    private func convert(_ budget: Budget?, _ weights: TensorEncoding = .int4) throws -> TillerFile {
        let output = "\(folder.path)/model.tiller"
        let converter = Converter(
            encodings: EncodingChoice(weights: weights, head: weights),
            calibration: Calibration(budget: budget),
            replacesExisting: true, threadCount: 2, program: "test")
        _ = try converter.convert("\(TinyModel.folder)/llama.gguf", to: output)
        return try TillerFile(path: output)
    }

    @Test func filesMeetTheirSize() throws {
        let low = try convert(nil, .int3), high = try convert(nil, .int8)
        let between = low.byteCount + 16_384 + (high.byteCount - low.byteCount) / 2
        let file = try convert(.fileByteCount(between))
        #expect(file.byteCount <= between && file.byteCount > low.byteCount)
        let encodings = Set(file.tensorIndex.entries.map(\.encoding))
        #expect(encodings.contains(.int8) && encodings.count > 2)
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
