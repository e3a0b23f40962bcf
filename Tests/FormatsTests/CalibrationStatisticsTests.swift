// SPDX-License-Identifier: Apache-2.0
// The section of calibration statistics: what is written is read, and nothing else is.

import Formats
import Quantization
import Testing

@Suite struct CalibrationStatisticsTests {
    private func file(_ change: (inout RawTiller.Section) -> Void = { _ in }) throws -> [UInt8] {
        var raw = try RawTiller(TinyModel.bytes(calibration: TinyModel.calibration))
        change(&raw[.calibrationStatistics])
        return raw.bytes
    }

    @Test func statisticsSurviveTheFile() throws {
        let read = try TillerFile(bytes: ByteView(copying: file())).calibration()
        #expect(read?.tokenCount == 1000)
        for (input, squares) in TinyModel.calibration.meanSquares {
            let found = try #require(read?.meanSquares[input])
            #expect(found.count == squares.count)
            // Half of a sixth of an octave.
            #expect(zip(found, squares).allSatisfy { abs($0 - $1) <= 0.06 * $1 })
        }
        // What has been read is written as it was.
        let again = try TinyModel.bytes(calibration: read)
        #expect(try again == file())
        #expect(try TillerFile(bytes: ByteView(copying: TinyModel.bytes())).calibration() == nil)
    }

    @Test func otherLayoutsAreRefused() throws {
        let broken = [
            try file { $0.bytes.removeLast(2) }, try file { $0.bytes += [0, 0] }, try file { $0.bytes = [1] },
            // Layers, hiddenSize, querySize, intermediateSize; no tokens, too many; reserved bytes.
            try file { $0.bytes[8] = 3 }, try file { $0.bytes[12] = 33 }, try file { $0.bytes[16] = 0 },
            try file { $0.bytes[23] = 255 },
            try file { $0.bytes.replaceSubrange(0..<8, with: [UInt8](repeating: 0, count: 8)) },
            try file { $0.bytes[7] = 1 }, try file { $0.bytes[24] = 1 },
        ]
        for (index, bytes) in broken.enumerated() {
            #expect(brokenRule(bytes) == .tillerCalibration, "file \(index)")
        }
        var twice = try RawTiller(file())
        twice.sections.append(twice[.calibrationStatistics])
        #expect(brokenRule(twice.bytes) == .tillerSectionCount)
    }

    @Test(arguments: [Float.nan, .infinity, -1, -0.0, -.infinity])
    func numbersThatAreNoMeanSquaresAreRefused(number: Float) throws {
        let bits = withUnsafeBytes(of: number.bitPattern.littleEndian) { Array($0) }
        // Behind the first input's largest number come a byte for each of its columns.
        for position in [32, 32 + 4 + 32] {
            let bytes = try file { $0.bytes.replaceSubrange(position..<position + 4, with: bits) }
            #expect(brokenRule(bytes) == .tillerCalibration)
        }
    }

    @Test func statisticsOfAnotherModelAreNotWritten() {
        var other = TinyModel.calibration
        other.meanSquares[.downProjection(1)] = [1, 2, 3]
        #expect(throws: FormatError.self) { try TinyModel.bytes(calibration: other) }
        other.meanSquares[.downProjection(1)] = nil
        #expect(throws: FormatError.self) { try TinyModel.bytes(calibration: other) }
    }
}
