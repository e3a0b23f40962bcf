// SPDX-License-Identifier: Apache-2.0
// Operations on rows of Float: lengths around every boundary, and the values at which formats and functions end.

import KernelCore

/// Lengths around the limits of one, two, and many vectors of sixteen lanes.
private func forEachLength(_ body: (Int) -> Void) {
    for n in 1...40 { body(n) }
    body(64)
    body(65)
    body(129)
    body(576)
}

extension KernelVectors {
    /// Two random rows of every length to one output.
    func rows(
        _ run: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
    ) -> UInt64 {
        var hash = VectorHash()
        forEachLength { n in
            var input = VectorInput(seed: UInt64(n))
            let x = GuardedMemory<Float>(n), y = GuardedMemory<Float>(n), output = GuardedMemory<Float>(n)
            for i in 0..<n {
                // Large enough for exponentials to end at both sides.
                x.start[i] = input.float(-12, 8)
                y.start[i] = input.float(-12, 8)
            }
            run(x.start, y.start, output.start, n)
            output.add(to: &hash)
            x.free()
            y.free()
            output.free()
        }
        return hash.value
    }

    func normalize() -> UInt64 {
        rows { x, y, output, n in
            kernels.normalize(x, y, output, n, 1e-5)
            // In place.
            kernels.normalize(output, y, output, n, 1e-6)
        }
    }

    func dot() -> UInt64 { rows { x, y, output, n in output[0] = kernels.dot(x, y, n) } }

    func quantize() -> UInt64 {
        var hash = VectorHash()
        for groupCount in 1...24 {
            var input = VectorInput(seed: UInt64(groupCount))
            let x = GuardedMemory<Float>(groupCount * 32)
            let groups = GuardedMemory<QuantizedGroup>(groupCount)
            for i in 0..<x.count {
                switch i / 32 % 6 {
                case 0: x.start[i] = 0
                case 1: x.start[i] = input.float(-126, -110)
                case 2: x.start[i] = input.float(100, 127)
                // Codes that end in ½.
                case 3: x.start[i] = i % 32 == 0 ? 127 : Float(i % 32) - 15.5
                default: x.start[i] = input.float(-9, 4)
                }
            }
            // What a kernel leaves alone must be the same everywhere.
            for i in 0..<groupCount { groups.start[i] = QuantizedGroup() }
            kernels.quantize(x.start, groups.start, groupCount)
            groups.add(to: &hash)
            x.free()
            groups.free()
        }
        return hash.value
    }

    func quantizeScores() -> UInt64 {
        var hash = VectorHash()
        for groupCount in 1...4 {
            for rowCount in 1...5 {
                var input = VectorInput(seed: UInt64(groupCount * 8 + rowCount))
                let channelGroupCount = rowCount % 3 + 1, stride = 160
                let scaleByteStride = channelGroupCount * 64 + 16
                let scores = GuardedMemory<Float>(rowCount * stride)
                let scales = GuardedMemory<UInt16>(groupCount * scaleByteStride / 2)
                let output = GuardedMemory<QuantizedGroup>(rowCount * channelGroupCount * groupCount)
                // A row that sees nothing, others that see much or little.
                for i in 0..<scores.count { scores.start[i] = i < 32 ? 0 : input.float(-40, 0).magnitude }
                for i in 0..<scales.count { scales.start[i] = input.halfBits() & 0x7FFF }
                for i in 0..<output.count { output.start[i] = QuantizedGroup() }
                kernels.quantizeScores(
                    ScaledScores(
                        scores: scores.start, scoreStride: stride, rowCount: rowCount, groupCount: groupCount,
                        scales: scales.start, scaleByteStride: scaleByteStride,
                        channelGroupCount: channelGroupCount, output: output.start,
                        ahead: PrefetchCursor(scales.start, byteCount: groupCount * 100)))
                output.add(to: &hash)
                scores.free()
                scales.free()
                output.free()
            }
        }
        return hash.value
    }

    func rotate() -> UInt64 {
        var hash = VectorHash()
        for half in 1...40 {
            for heads in 1...3 {
                var input = VectorInput(seed: UInt64(half * 4 + heads))
                let headSize = 2 * half + heads
                let x = GuardedMemory<Float>(heads * headSize)
                let cosines = GuardedMemory<Float>(half), sines = GuardedMemory<Float>(half)
                for i in 0..<x.count { x.start[i] = input.float(-8, 4) }
                for i in 0..<half {
                    cosines.start[i] = input.float(-10, 0)
                    sines.start[i] = input.float(-10, 0)
                }
                kernels.rotate(x.start, cosines.start, sines.start, half, heads, headSize)
                x.add(to: &hash)
                x.free()
                cosines.free()
                sines.free()
            }
        }
        return hash.value
    }

    func storeHalves() -> UInt64 {
        var hash = VectorHash()
        var input = VectorInput(seed: 1)
        let count = 16 * 512
        let x = GuardedMemory<Float>(count), output = GuardedMemory<UInt16>(count)
        for i in 0..<count {
            // Ends, ties and their neighbours, from below the smallest half to above the largest.
            let exact = input.float(-27, 17).bitPattern & 0xFFFF_E000
            switch i % 8 {
            case 0: x.start[i] = Float(bitPattern: exact)
            case 1: x.start[i] = Float(bitPattern: exact | 0x1000)
            case 2: x.start[i] = Float(bitPattern: exact | 0x1001)
            case 3: x.start[i] = Float(bitPattern: exact | 0x0FFF)
            default: x.start[i] = input.float(-30, 18)
            }
        }
        x.start[0] = 0
        x.start[1] = -0.0
        x.start[2] = .infinity
        x.start[3] = -.infinity
        x.start[4] = 65519.996
        x.start[5] = 65520
        x.start[6] = Float(bitPattern: 0xFFC1_2345)
        x.start[7] = Float(bitPattern: 1)
        x.start[8] = -0x1p-25
        x.start[9] = 0x1.8p-25
        kernels.storeHalves(x.start, output.start, count)
        output.add(to: &hash)
        x.free()
        output.free()
        return hash.value
    }

    func addKeyBias() -> UInt64 {
        var hash = VectorHash()
        for rowCount in 1...9 {
            for pairCount in 1...5 {
                var input = VectorInput(seed: UInt64(rowCount * 8 + pairCount))
                let tileCount = pairCount % 3 + 1, angleStride = 7 * 32, stride = tileCount * 16 + 5
                let scores = GuardedMemory<Float>(rowCount * stride)
                let angles = GuardedMemory<Float>(tileCount * angleStride)
                let pairs = GuardedMemory<Int32>(pairCount)
                let factors = GuardedMemory<Float>(rowCount * pairCount * 2)
                for i in 0..<scores.count { scores.start[i] = input.float(-8, 4) }
                for i in 0..<angles.count { angles.start[i] = input.float(-10, 0) }
                for i in 0..<pairCount { pairs.start[i] = Int32(6 - i) }
                for i in 0..<factors.count { factors.start[i] = input.float(-4, 9) }
                kernels.addKeyBias(
                    KeyBiasScores(
                        scores: scores.start, stride: stride, rowCount: rowCount, tileCount: tileCount,
                        angles: angles.start, angleStride: angleStride, pairs: pairs.start,
                        pairCount: pairCount, factors: factors.start))
                scores.add(to: &hash)
                scores.free()
                angles.free()
                pairs.free()
                factors.free()
            }
        }
        return hash.value
    }

    func softmax() -> UInt64 {
        var hash = VectorHash()
        for size in 1...8 {
            let count = 16 * size
            for first in 0..<count where first % 7 < 2 {
                let end = count - first / 3
                let rowCount = 1 + first % 3
                var input = VectorInput(seed: UInt64(count * 1000 + first))
                let x = GuardedMemory<Float>(rowCount * count)
                let state = GuardedMemory<SoftmaxState>(rowCount)
                for i in 0..<rowCount * count { x.start[i] = input.float(-8, 7) }
                // Nothing is visible where `end` lies before `first`.
                kernels.softmax(
                    ScoreRows(
                        scores: x.start, stride: count, rowCount: rowCount, count: count,
                        firstVisible: min(first, end), endVisible: end, states: state.start,
                        ahead: PrefetchCursor(x.start, byteCount: first * 64)))
                x.add(to: &hash)
                state.add(to: &hash)
                x.free()
                state.free()
            }
        }
        return hash.value
    }

    func mergeSoftmax() -> UInt64 {
        var hash = VectorHash()
        for size in 1...9 {
            let count = 16 * size
            var input = VectorInput(seed: UInt64(count))
            let part = GuardedMemory<Float>(count), total = GuardedMemory<Float>(count)
            let state = GuardedMemory<SoftmaxState>(1), new = GuardedMemory<SoftmaxState>(1)
            for i in 0..<count { total.start[i] = 0 }
            state.start[0] = SoftmaxState(largest: -.infinity, sum: 0)
            for _ in 0..<5 {
                for i in 0..<count { part.start[i] = input.float(-8, 4) }
                let magnitude = input.float(-2, 6)
                new.start[0] = SoftmaxState(largest: magnitude, sum: magnitude.magnitude)
                kernels.mergeSoftmax(part.start, new.start, total.start, state.start, count)
                total.add(to: &hash)
                state.add(to: &hash)
            }
            part.free()
            total.free()
            state.free()
            new.free()
        }
        return hash.value
    }
}
