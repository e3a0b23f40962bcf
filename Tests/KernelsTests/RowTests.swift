// SPDX-License-Identifier: Apache-2.0
// Norms, quantization, gates, rotary embedding and reductions, against plain formulas in Double.

import Glibc
import Kernels
import Platform
import TestSupport
import Testing

private let widths = [1, 15, 16, 17, 31, 32, 33, 64, 100, 576]

private func weightVector(_ x: AlignedBuffer<Float>) -> WeightVector {
    WeightVector(bytes: UnsafeRawBufferPointer(x.elements))
}

@Test(arguments: KernelSet.available)
func normsAreWithinTheRoundingBound(kernels: KernelSet) {
    let tokens = 3, epsilon: Float = 1e-5
    for columns in widths {
        let compute = granted(try Compute(kernels: kernels, threadCount: 2, smallWork: 0))
        let x = randomBuffer(tokens * columns, seed: 3, scale: 10), gains = randomBuffer(columns, seed: 4)
        let output = granted(try Activations(capacity: tokens, columns: columns))
        compute.forTokens(tokens, elementCount: columns) {
            $0.normalize(x, weight: weightVector(gains), epsilon: epsilon, into: output)
        }
        for t in 0..<tokens {
            let row = (0..<columns).map { Double(x[t * columns + $0]) }
            let mean = row.reduce(0) { $0 + $1 * $1 } / Double(columns)
            for c in 0..<columns {
                let expected = row[c] / (mean + Double(epsilon)).squareRoot() * Double(gains[c])
                let error = abs(Double(output.values[t * columns + c]) - expected)
                #expect(error <= Double(columns + 8) * roundoff * abs(expected))
            }
        }
        compute.forTokens(1, elementCount: tokens * columns) {
            $0.normalizeInPlace(
                x, weight: weightVector(gains), epsilon: epsilon, rowsPerToken: tokens)
        }
        #expect(x.bits(x.count) == output.values.bits(x.count))
    }
}

@Test(arguments: KernelSet.available)
func quantizationRoundsToTheNearestCode(kernels: KernelSet) {
    let tokens = 3, columns = 96
    let x = randomActivations(tokens: tokens, columns: columns)
    for c in 32..<64 { x.values[c] = 0 }
    for c in 64..<96 { x.values[c] = c % 2 == 0 ? -127 : Float(c) - 79.5 }  // scale 1: ties
    granted(try Compute(kernels: kernels, threadCount: 1)).forTokens(tokens, elementCount: columns) {
        $0.quantize(x)
    }
    for t in 0..<tokens {
        for g in 0..<columns / 32 {
            let group = (0..<32).map { x.values[t * columns + g * 32 + $0] }
            let largest = group.map(abs).max() ?? 0
            let scale = largest * (1 / 127)
            var sum = 0
            for (i, value) in group.enumerated() {
                let q = x.quantized(token: t, column: g * 32 + i)
                let inverse = largest == 0 ? 0 : 127 / largest
                #expect(q.code == Int8((value * inverse).rounded(.toNearestOrEven)))
                #expect(q.scale == scale)
                sum += Int(q.code)
            }
            #expect(x.quantized(token: t, column: g * 32).scaledSum == scale * Float(sum))
        }
    }
}

@Test(arguments: KernelSet.available)
func unusualActivationsDoNotTrap(kernels: KernelSet) {
    let x = granted(try Activations(capacity: 1, columns: 160))
    for c in 0..<32 { x.values[c] = .nan }
    for c in 32..<64 { x.values[c] = .infinity }
    for c in 64..<96 { x.values[c] = .leastNonzeroMagnitude }
    for c in 96..<128 { x.values[c] = .greatestFiniteMagnitude }
    for c in 128..<160 { x.values[c] = -0.0 }
    let compute = granted(try Compute(kernels: kernels, threadCount: 1))
    compute.forTokens(1, elementCount: 160) { $0.quantize(x) }
    #expect(x.quantized(token: 0, column: 64).scale == 0)
    #expect(x.quantized(token: 0, column: 100).code == 127)
    let matrix = TestMatrix(.int8, rows: 16, columns: 160)
    let output = granted(try AlignedBuffer<Float>(count: 16))
    compute.multiply(Projection(matrix.weights, into: output), by: x, tokenCount: 1)
}

@Test(arguments: KernelSet.available, [GateActivation.silu, .geluTanh])
func gatesAreWithinFourUnits(kernels: KernelSet, activation: GateActivation) {
    let columns = 1001
    let gate = granted(try AlignedBuffer<Float>(count: columns)), up = randomBuffer(columns, seed: 9)
    for i in 0..<columns { gate[i] = (Float(i) - 500) / 25 }
    gate[0] = -200
    gate[1] = 200
    gate[2] = -88
    let output = granted(try AlignedBuffer<Float>(count: columns))
    let kernel = activation == .silu ? kernels.table.gateSilu : kernels.table.gateGeluTanh
    kernel(gate.baseAddress, up.baseAddress, output.baseAddress, columns)
    for i in 0..<columns {
        let x = Double(gate[i])
        // The argument of the exponential is itself rounded, which an exponential amplifies by its size.
        let argument =
            activation == .silu ? -x : -2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
        let expected = x / (1 + exp(argument)) * Double(up[i])
        let relative = (16 + (activation == .silu ? 0 : 8 * abs(argument))) * roundoff
        let error = abs(Double(output[i]) - expected)
        // Beyond e^88 the exponential is cut off; what is lost is below the smallest normal numbers.
        #expect(
            error <= relative * abs(expected) + 1e-35,
            "x = \(x): \(error / abs(expected) / roundoff) roundings")
    }
}

@Test(arguments: KernelSet.available, [Float(50), 0.75])
func softCapsAreWithinAFewUnits(kernels: KernelSet, cap: Float) {
    let count = 4003
    let before = granted(try AlignedBuffer<Float>(count: count)),
        x = granted(try AlignedBuffer<Float>(count: count))
    for i in 0..<count { before[i] = cap * (Float(i) - 2000) / 400 }
    // Both sides of the border between the two formulas, numbers without effect, and those that reach the cap.
    for (i, edge) in [0.625, 0.625.nextUp, 0.625.nextDown, -0.625, 1e-30, -1e-8, 1e30, -1e30].enumerated() {
        before[i] = cap * Float(edge)
    }
    for i in 0..<count { x[i] = before[i] }
    kernels.table.softcap(x.baseAddress, cap, count)
    for i in 0..<count {
        let expected = Double(cap) * tanh(Double(before[i]) / Double(cap))
        #expect(abs(Double(x[i]) - expected) <= 8 * roundoff * abs(expected), "\(before[i])")
        #expect(abs(x[i]) <= cap)
    }
}

@Test(arguments: KernelSet.available)
func tokensAreScaledByTheirPositions(kernels: KernelSet) {
    let tokens = 11, columns = 21, first = 2
    let before = randomBuffer((tokens + first) * columns, seed: 12)
    let x = granted(try AlignedBuffer<Float>(count: before.count))
    for i in 0..<before.count { x[i] = before[i] }
    let compute = granted(try Compute(kernels: kernels, threadCount: 2, smallWork: 0))
    compute.forTokens(tokens, elementCount: 1 << 16, firstRow: first) {
        $0.scale(x, columns: columns) { Float(1 + $0) / 8 }
    }
    for t in 0..<tokens + first {
        for c in 0..<columns {
            let factor = t < first ? 1 : Float(1 + t - first) / 8
            #expect(x[t * columns + c] == before[t * columns + c] * factor)
        }
    }
}

@Test(arguments: KernelSet.available)
func rotationsFollowTheAnglesInDouble(kernels: KernelSet) {
    for (headSize, rotated, first) in [(8, 8, 0), (64, 64, 1000), (256, 256, 999_990), (80, 32, 5)] {
        let tokens = 9, heads = 3, half = rotated / 2
        let frequencies = (0..<half).map { Float(pow(10000, -2 * Double($0) / Double(rotated))) }
        let table = RotaryTable(inverseFrequencies: frequencies, magnitude: 1.25)
        let before = randomBuffer(tokens * heads * headSize, seed: 11)
        let x = granted(try AlignedBuffer<Float>(count: before.count)),
            alone = granted(try AlignedBuffer<Float>(count: before.count))
        for i in 0..<before.count { x[i] = before[i] }
        let compute = granted(try Compute(kernels: kernels, threadCount: 2, smallWork: 0))
        let angles = compute.angles(table, first..<first + tokens)
        compute.forTokens(tokens, elementCount: 1 << 16) {
            $0.rotate(x, by: angles, headCount: heads, headSize: headSize)
        }
        for t in 0..<tokens {
            for h in 0..<heads {
                let base = (t * heads + h) * headSize
                for i in 0..<headSize {
                    let pair = i < half ? i + half : i - half
                    let angle = Double(first + t) * Double(frequencies[i % half])
                    let a = Double(before[base + i]), b = i < rotated ? Double(before[base + pair]) : 0
                    let expected =
                        i < half
                        ? 1.25 * (a * cos(angle) - b * sin(angle))
                        : i < rotated ? 1.25 * (a * cos(angle) + b * sin(angle)) : a
                    #expect(abs(Double(x[base + i]) - expected) <= 8 * roundoff * (abs(a) + abs(b)))
                }
            }
            // One position by itself.
            for i in 0..<heads * headSize { alone[i] = before[t * heads * headSize + i] }
            let single = granted(try Compute(kernels: kernels, threadCount: 1))
            let angle = single.angles(table, first + t..<first + t + 1)
            single.forTokens(1, elementCount: 1) {
                $0.rotate(alone, by: angle, headCount: heads, headSize: headSize)
            }
            #expect((0..<heads * headSize).allSatisfy { alone[$0] == x[t * heads * headSize + $0] })
        }
    }
}

@Test(arguments: KernelSet.available)
func sumsAndReductionsAreWithinTheRoundingBound(kernels: KernelSet) {
    let compute = granted(try Compute(kernels: kernels, threadCount: 2, smallWork: 0))
    for count in widths + [5000] {
        let a = randomBuffer(count, seed: 21), b = randomBuffer(count, seed: 22), before = a.bits(count)
        let products = (0..<count).map { Double(a[$0]) * Double(b[$0]) }
        let dot = compute.dot(a.baseAddress, b.baseAddress, count: count)
        let magnitude = products.reduce(0) { $0 + abs($1) }
        #expect(abs(Double(dot) - products.reduce(0, +)) <= Double(count + 8) * roundoff * magnitude)

        let logits = (0..<count).map { Double(a[$0]) * 20 }
        for i in 0..<count { a[i] = Float(logits[i]) }
        let largest = logits.max() ?? 0
        let expected = largest + log(logits.reduce(0) { $0 + exp($1 - largest) })
        let found = Double(compute.logSumExp(a.baseAddress, count: count))
        #expect(abs(found - expected) <= 64 * roundoff + 4 * roundoff * abs(expected))

        for i in 0..<count { a[i] = Float(bitPattern: before[i]) }
        compute.forTokens(count, elementCount: 64) { $0.add(b, scale: 1, to: a, columns: 1) }
        #expect((0..<count).allSatisfy { a[$0] == Float(bitPattern: before[$0]) + b[$0] })
        for i in 0..<count { a[i] = Float(bitPattern: before[i]) }
        compute.forTokens(1, elementCount: count) { $0.addBias(weightVector(b), to: a) }
        #expect((0..<count).allSatisfy { a[$0] == Float(bitPattern: before[$0]) + b[$0] })
        compute.addScaled(b.baseAddress, scale: -2, to: a.baseAddress, count: count)
        #expect(
            (0..<count).allSatisfy {
                let expected = Double(Float(bitPattern: before[$0])) - Double(b[$0])
                return abs(Double(a[$0]) - expected) <= 4 * roundoff
                    * (abs(expected) + 2 * abs(Double(b[$0])))
            })
    }
}

@Test func allInstructionSetsDoTheSameRowOperations() throws {
    let columns = 172
    let results = try KernelSet.available.map { kernels in
        let compute = granted(try Compute(kernels: kernels, threadCount: 1))
        let x = randomBuffer(2 * columns, seed: 31), gains = randomBuffer(columns, seed: 32)
        let normalized = granted(try Activations(capacity: 2, columns: columns))
        compute.forTokens(2, elementCount: columns) {
            $0.normalize(x, weight: weightVector(gains), epsilon: 1e-6, into: normalized)
        }
        let gated = granted(try AlignedBuffer<Float>(count: 2 * columns)), values = normalized.values
        kernels.table.gateSilu(x.baseAddress, values.baseAddress, gated.baseAddress, 2 * columns)
        kernels.table.gateGeluTanh(values.baseAddress, x.baseAddress, values.baseAddress, 2 * columns)
        let sums = [
            compute.dot(x.baseAddress, normalized.values.baseAddress, count: 2 * columns),
            compute.logSumExp(x.baseAddress, count: 2 * columns),
        ]
        return gated.bits(2 * columns) + values.bits(2 * columns) + sums.map(\.bitPattern)
    }
    #expect(results.allSatisfy { $0 == results[0] })
}
