// SPDX-License-Identifier: Apache-2.0
// Identifies the mathematical functions that this process runs. The C library selects them by processor: without fused
// multiply-add, glibc's exp, pow, cos and sin round one result in a thousand differently. All other arithmetic in the
// figures gives the same bits on every processor.

import Formats
import Glibc
import Platform

/// A fingerprint of the C library's mathematical functions in this process.
enum CLibraryResults {
    /// SHA-256 of the results of all functions between weights and figures, at typical arguments. Processors and
    /// libraries with equal digests give equal figures.
    static let digest: String = {
        var random = SplitMix64(seed: 1)
        func arguments(_ range: ClosedRange<Double>) -> [Double] {
            (0..<argumentCount).map { _ in
                let unit = Double(random.next() >> 11) * 0x1p-53
                return range.lowerBound + unit * (range.upperBound - range.lowerBound)
            }
        }
        var bytes: [UInt8] = []
        func add(_ results: [Double]) {
            for result in results { withUnsafeBytes(of: result.bitPattern.littleEndian) { bytes += $0 } }
        }
        let (loss, angle) = (arguments(-30...30), arguments(0...4096))
        add(loss.map { exp($0) })
        add(loss.map { Double(expf(Float($0))) })
        add(loss.map { Double(tanhf(Float($0))) })
        add(angle.map { log($0 + 1e-9) })
        add(angle.map { cos($0) })
        add(angle.map { sin($0) })
        add(arguments(1e4...1e6).map { pow($0, -$0 / 1e6) })
        return "\(SHA256.digest(of: bytes))"
    }()

    /// Large enough to detect a function that differs once in a thousand results.
    private static let argumentCount = 8192
}
