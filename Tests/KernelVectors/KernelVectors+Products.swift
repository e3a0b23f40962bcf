// SPDX-License-Identifier: Apache-2.0
// Matrix products: all kinds of tiles, numbers of rows, columns and tokens that leave every kind of rest.

import KernelCore

/// How a tile is laid out (formats/tiller.md; keys and values: IntegerTiles.swift and FloatTiles.swift).
enum TileForm { case float32, float16, values, int8, int5, int4, int3, keys }

extension KernelVectors {
    func floats(_ multiply: KernelTable.Product, _ form: TileForm) -> UInt64 {
        var hash = VectorHash()
        product(multiply, form, rows: 1, columns: 1, tokens: 1, &hash)
        product(multiply, form, rows: 17, columns: 3, tokens: 2, &hash)
        product(multiply, form, rows: 48, columns: 33, tokens: 3, &hash)
        product(multiply, form, rows: 33, columns: 172, tokens: 9, &hash)
        product(multiply, form, rows: 80, columns: 64, tokens: 15, &hash)
        return hash.value
    }

    func integers(_ multiply: KernelTable.Product, _ form: TileForm) -> UInt64 {
        var hash = VectorHash()
        product(multiply, form, rows: 1, columns: 32, tokens: 1, &hash)
        product(multiply, form, rows: 17, columns: 96, tokens: 2, &hash)
        product(multiply, form, rows: 48, columns: 64, tokens: 3, &hash)
        product(multiply, form, rows: 33, columns: 576, tokens: 9, &hash)
        product(multiply, form, rows: 80, columns: 128, tokens: 15, &hash)
        // The largest sums that codes can have.
        for code: UInt8 in [0, 255] {
            product(multiply, form, rows: 16, columns: 64, tokens: 7, extreme: code, &hash)
        }
        return hash.value
    }

    /// - extreme: this byte for all codes, and activations of one size, instead of random ones.
    private func product(
        _ multiply: KernelTable.Product, _ form: TileForm, rows: Int, columns: Int, tokens: Int,
        extreme: UInt8? = nil, _ hash: inout VectorHash
    ) {
        let tileCount = form == .values ? (rows + 31) / 32 * 2 : (rows + 15) / 16
        let groupCount = columns / 32
        // Values come in whole groups of channels, each with inputs of its own.
        let inputCount = form == .values ? (rows + 31) / 32 : 1
        let rowCount = form == .values ? inputCount * 32 : rows
        var input = VectorInput(seed: UInt64(rows * 10_000 + columns * 16 + tokens))
        let tiles = Tiles(form, tileCount: tileCount, columns: columns, extreme: extreme, &input)
        let inputStride = inputCount * columns + 3, outputStride = rowCount + 5
        let x = GuardedMemory<Float>(tokens * inputStride)
        for i in 0..<x.count {
            x.start[i] = extreme == nil ? input.float(-6, 3) : i / inputStride % 2 == 0 ? 1.5 : -1.5
            if form == .values { x.start[i] = x.start[i].magnitude }
        }
        let groupStride = inputCount * groupCount + 1
        let groups = GuardedMemory<QuantizedGroup>(tokens * groupStride)
        if form.isInteger {
            for t in 0..<tokens {
                kernels.quantize(
                    x.start + t * inputStride, groups.start + t * groupStride, inputCount * groupCount)
            }
        }
        // What weighs values has no sums.
        if form == .values { for i in 0..<groups.count { groups.start[i].correction = 0 } }
        let output = GuardedMemory<Float>(tokens * outputStride)
        let product = TileProduct(
            tiles: tiles.bytes.start, tileByteCount: tiles.tileByteCount,
            columnByteCount: tiles.columnByteCount, columnCount: columns, rowCount: rowCount,
            input: form.isInteger ? UnsafeRawPointer(groups.start) : UnsafeRawPointer(x.start),
            inputStride: form.isInteger ? groupStride : inputStride, output: output.start,
            outputStride: outputStride, tokenCount: tokens)
        multiply(product, 0, tileCount)
        output.add(to: &hash)
        // Pairs of tiles that begin elsewhere.
        multiply(product, 1, tileCount)
        output.add(to: &hash)
        tiles.bytes.free()
        x.free()
        groups.free()
        output.free()
    }
}

extension TileForm {
    var isInteger: Bool { self != .float32 && self != .float16 }

    /// Bits of a code.
    var bitCount: Int {
        switch self {
        case .int5: 5
        case .int4: 4
        case .int3: 3
        default: 8
        }
    }
}

/// Random weights in one form.
private struct Tiles {
    let bytes: GuardedMemory<UInt8>
    let tileByteCount: Int
    let columnByteCount: Int

    init(_ form: TileForm, tileCount: Int, columns: Int, extreme: UInt8?, _ input: inout VectorInput) {
        let groupCount = columns / 32
        switch form {
        case .float32: columnByteCount = 64
        case .float16: columnByteCount = 32
        case .int8, .int5, .int4, .int3, .keys, .values: columnByteCount = 0
        }
        // Scales, up to a multiple of 64 bytes; then codes.
        let scales: Int
        switch form {
        case .int8: scales = (32 + groupCount * 16 + 63) / 64 * 64
        case .int5, .int4, .int3: scales = (64 + groupCount * 32 + 63) / 64 * 64
        case .keys: scales = (groupCount * 32 + 63) / 64 * 64
        default: scales = 0
        }
        let codes = groupCount * form.bitCount * 64
        switch form {
        case .float32, .float16: tileByteCount = columns * columnByteCount
        case .int8, .int5, .int4, .int3, .keys: tileByteCount = scales + codes
        case .values: tileByteCount = codes + 64
        }
        bytes = GuardedMemory(tileCount * tileByteCount)
        let start = UnsafeMutableRawPointer(bytes.start)
        func put16(_ value: UInt16, _ offset: Int) {
            start.storeBytes(of: value, toByteOffset: offset, as: UInt16.self)
        }

        switch form {
        case .float32:
            for i in 0..<bytes.count / 4 {
                start.storeBytes(of: input.float(-8, 2), toByteOffset: 4 * i, as: Float.self)
            }
        case .float16: for i in 0..<bytes.count / 2 { put16(input.halfBits(), 2 * i) }
        case .values: for i in 0..<bytes.count { bytes.start[i] = extreme.map { $0 ^ 0x80 } ?? input.byte() }
        case .int8, .int5, .int4, .int3, .keys:
            for i in 0..<bytes.count { bytes.start[i] = input.byte() }
            for tile in 0..<tileCount {
                let first = tile * tileByteCount
                if let extreme { for i in 0..<codes { bytes.start[first + scales + i] = extreme } }
                let halves = form == .keys ? scales / 2 : form == .int8 ? 16 : 32
                for i in 0..<halves {
                    put16(form == .keys ? input.halfBits() : input.brainFloatBits(-16, -3), first + 2 * i)
                }
            }
        }
    }
}
