// SPDX-License-Identifier: Apache-2.0
// Seeded input, memory that notices writes beyond its end, and hashes of output.

/// SplitMix64 (Steele et al. 2014), and Floats from it without a library's functions.
struct VectorInput {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z &>> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z &>> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z &>> 31)
    }
    mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next() &>> 40) }

    /// Either sign, 24 random bits, between 2^lowest and 2^highest.
    mutating func float(_ lowest: Int, _ highest: Int) -> Float {
        let bits = next()
        let exponent = lowest &+ Int(bits &>> 33) % (highest &- lowest)
        let magnitude = UInt32(127 &+ exponent) &<< 23 | UInt32(truncatingIfNeeded: bits) & 0x7F_FFFF
        return Float(bitPattern: magnitude | UInt32(truncatingIfNeeded: bits &>> 32 & 1) &<< 31)
    }
    /// The same as the upper half of a Float.
    mutating func brainFloatBits(_ lowest: Int, _ highest: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: float(lowest, highest).bitPattern &>> 16)
    }
    /// Any finite binary16, subnormal ones among them.
    mutating func halfBits() -> UInt16 {
        let bits = UInt16(truncatingIfNeeded: next() &>> 24)
        return bits & 0x7C00 == 0x7C00 ? bits & 0x83FF : bits
    }
}

/// `count` elements between two guards.
struct GuardedMemory<Element: BitwiseCopyable> {
    private let memory: UnsafeMutablePointer<Element>
    private let byteCount: Int
    private static var guardCount: Int { 64 }

    let count: Int
    var start: UnsafeMutablePointer<Element> { memory + Self.guardCount }

    init(_ count: Int) {
        self.count = count
        memory = .allocate(capacity: count + 2 * Self.guardCount)
        byteCount = (count + 2 * Self.guardCount) * MemoryLayout<Element>.stride
        let bytes = UnsafeMutableRawPointer(memory)
        for i in 0..<byteCount { bytes.storeBytes(of: 0xA5, toByteOffset: i, as: UInt8.self) }
    }

    func free() { memory.deallocate() }

    /// Adds everything, guards too, to a hash.
    func add(to hash: inout VectorHash) {
        let bytes = UnsafeRawPointer(memory)
        var offset = 0
        while offset < byteCount {
            hash.add(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            offset += 2
        }
    }
}

/// FNV-1a of 16-bit words.
struct VectorHash {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ word: UInt16) { value = (value ^ UInt64(word)) &* 0x100_0000_01B3 }
    mutating func add(_ x: Float) {
        add(UInt16(truncatingIfNeeded: x.bitPattern))
        add(UInt16(truncatingIfNeeded: x.bitPattern &>> 16))
    }
}

func copy(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, _ count: Int) {
    for i in 0..<count { y[i] = x[i] }
}
