// SPDX-License-Identifier: Apache-2.0
// The kernels of one instruction set as values, for `Kernels` to call. Each entry processes whole rows or tiles, so that
// calling through the table costs almost nothing.

/// One function per kernel; the generic functions of the same names document them.
public struct KernelTable: Sendable {
    /// Tiles `first ..< end` of a product.
    public typealias Product = @Sendable (_ product: TileProduct, _ first: Int, _ end: Int) -> Void
    public typealias Input = UnsafePointer<Float>
    public typealias Output = UnsafeMutablePointer<Float>

    public let multiplyFloat32: Product
    public let multiplyFloat16: Product
    public let multiplyInt8: Product
    public let multiplyInt5: Product
    public let multiplyInt4: Product
    public let multiplyInt3: Product
    /// Keys and values of an 8-bit cache.
    public let multiplyKeys: Product
    public let multiplyValues: Product

    public let quantize: @Sendable (Input, UnsafeMutablePointer<QuantizedGroup>, _ groupCount: Int) -> Void
    public let quantizeScores: @Sendable (ScaledScores) -> Void
    public let normalize: @Sendable (Input, _ weight: Input, Output, _ count: Int, _ epsilon: Float) -> Void
    public let dot: @Sendable (Input, Input, _ count: Int) -> Float
    public let add: @Sendable (Input, Output, _ count: Int) -> Void
    public let addScaled: @Sendable (Input, _ scale: Float, Output, _ count: Int) -> Void
    public let scale: @Sendable (Input, _ scale: Float, Output, _ count: Int) -> Void
    public let gateSilu: @Sendable (_ gate: Input, _ up: Input, Output, _ count: Int) -> Void
    public let gateGeluTanh: @Sendable (_ gate: Input, _ up: Input, Output, _ count: Int) -> Void
    public let rotate:
        @Sendable (Output, _ cos: Input, _ sin: Input, _ half: Int, _ headCount: Int, _ headSize: Int) -> Void
    public let largest: @Sendable (Input, _ count: Int) -> Float
    public let sumExponentials: @Sendable (Input, _ offset: Float, _ count: Int) -> Float
    public let storeHalves: @Sendable (Input, UnsafeMutableRawPointer, _ count: Int) -> Void
    public let addKeyBias: @Sendable (KeyBiasScores) -> Void
    public let softcap: @Sendable (Output, _ cap: Float, _ count: Int) -> Void
    public let softmax: @Sendable (ScoreRows) -> Void
    public let mergeSoftmax:
        @Sendable (
            _ part: Input, UnsafePointer<SoftmaxState>, _ total: Output, UnsafeMutablePointer<SoftmaxState>,
            _ count: Int
        ) -> Void

    @inlinable @inline(__always)
    public init(
        multiplyFloat32: @escaping Product, multiplyFloat16: @escaping Product,
        multiplyInt8: @escaping Product, multiplyInt5: @escaping Product, multiplyInt4: @escaping Product,
        multiplyInt3: @escaping Product, multiplyKeys: @escaping Product, multiplyValues: @escaping Product,
        quantize: @escaping @Sendable (Input, UnsafeMutablePointer<QuantizedGroup>, Int) -> Void,
        quantizeScores: @escaping @Sendable (ScaledScores) -> Void,
        normalize: @escaping @Sendable (Input, Input, Output, Int, Float) -> Void,
        dot: @escaping @Sendable (Input, Input, Int) -> Float,
        add: @escaping @Sendable (Input, Output, Int) -> Void,
        addScaled: @escaping @Sendable (Input, Float, Output, Int) -> Void,
        scale: @escaping @Sendable (Input, Float, Output, Int) -> Void,
        gateSilu: @escaping @Sendable (Input, Input, Output, Int) -> Void,
        gateGeluTanh: @escaping @Sendable (Input, Input, Output, Int) -> Void,
        rotate: @escaping @Sendable (Output, Input, Input, Int, Int, Int) -> Void,
        largest: @escaping @Sendable (Input, Int) -> Float,
        sumExponentials: @escaping @Sendable (Input, Float, Int) -> Float,
        storeHalves: @escaping @Sendable (Input, UnsafeMutableRawPointer, Int) -> Void,
        addKeyBias: @escaping @Sendable (KeyBiasScores) -> Void,
        softcap: @escaping @Sendable (Output, Float, Int) -> Void,
        softmax: @escaping @Sendable (ScoreRows) -> Void,
        mergeSoftmax:
            @escaping @Sendable (
                Input, UnsafePointer<SoftmaxState>, Output, UnsafeMutablePointer<SoftmaxState>, Int
            ) -> Void
    ) {
        self.multiplyFloat32 = multiplyFloat32
        self.multiplyFloat16 = multiplyFloat16
        self.multiplyInt8 = multiplyInt8
        self.multiplyInt5 = multiplyInt5
        self.multiplyInt4 = multiplyInt4
        self.multiplyInt3 = multiplyInt3
        self.multiplyKeys = multiplyKeys
        self.multiplyValues = multiplyValues
        self.quantize = quantize
        self.quantizeScores = quantizeScores
        self.normalize = normalize
        self.dot = dot
        self.add = add
        self.addScaled = addScaled
        self.scale = scale
        self.gateSilu = gateSilu
        self.gateGeluTanh = gateGeluTanh
        self.rotate = rotate
        self.largest = largest
        self.sumExponentials = sumExponentials
        self.storeHalves = storeHalves
        self.addKeyBias = addKeyBias
        self.softcap = softcap
        self.softmax = softmax
        self.mergeSoftmax = mergeSoftmax
    }

    /// This table with other integer products: new processors often add only these.
    ///
    /// It consumes the table, and is never inlined: copying or destroying one would leave weak symbols in the object of the
    /// module that calls it.
    @inline(never)
    public consuming func replacing(
        multiplyInt8: @escaping Product, multiplyInt5: @escaping Product, multiplyInt4: @escaping Product,
        multiplyInt3: @escaping Product, multiplyKeys: @escaping Product, multiplyValues: @escaping Product
    ) -> KernelTable {
        KernelTable(
            multiplyFloat32: multiplyFloat32, multiplyFloat16: multiplyFloat16, multiplyInt8: multiplyInt8,
            multiplyInt5: multiplyInt5, multiplyInt4: multiplyInt4, multiplyInt3: multiplyInt3,
            multiplyKeys: multiplyKeys, multiplyValues: multiplyValues,
            quantize: quantize, quantizeScores: quantizeScores, normalize: normalize, dot: dot, add: add,
            addScaled: addScaled,
            scale: scale, gateSilu: gateSilu, gateGeluTanh: gateGeluTanh, rotate: rotate, largest: largest,
            sumExponentials: sumExponentials, storeHalves: storeHalves, addKeyBias: addKeyBias,
            softcap: softcap, softmax: softmax, mergeSoftmax: mergeSoftmax)
    }
}
