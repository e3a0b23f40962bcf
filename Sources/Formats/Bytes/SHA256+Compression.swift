// SPDX-License-Identifier: Apache-2.0
// The compression function of SHA-256 (FIPS 180-4 §6.2.2). Sixteen rounds are written out so that the eight
// working variables and the message schedule stay in registers; four passes make the 64 rounds.

import Platform

/// The state after folding in whole 64-byte blocks.
/// - Precondition: `blocks.byteCount` is a multiple of 64.
func compress(_ blocks: RawSpan, into state: SIMD8<UInt32>) -> SIMD8<UInt32> {
    HashBlocks.compress(blocks, into: state, constants: sha256Constants)
        ?? compressPlainly(blocks, into: state)
}

/// The same on any processor.
package func compressPlainly(_ blocks: RawSpan, into initial: SIMD8<UInt32>) -> SIMD8<UInt32> {
    precondition(blocks.byteCount % 64 == 0, "SHA256: blocks of 64 bytes")
    let constants = sha256Constants.span
    var state = initial
    var block = 0
    while block < blocks.byteCount {
        @inline(__always) func word(_ index: Int) -> UInt32 {
            UInt32(
                bigEndian: unsafe blocks.unsafeLoadUnaligned(
                    fromByteOffset: block &+ index &* 4, as: UInt32.self))
        }
        var w0 = word(0), w1 = word(1), w2 = word(2), w3 = word(3)
        var w4 = word(4), w5 = word(5), w6 = word(6), w7 = word(7)
        var w8 = word(8), w9 = word(9), w10 = word(10), w11 = word(11)
        var w12 = word(12), w13 = word(13), w14 = word(14), w15 = word(15)
        var a = state[0], b = state[1], c = state[2], d = state[3]
        var e = state[4], f = state[5], g = state[6], h = state[7]

        for pass in 0..<4 {
            let k = pass &* 16
            round(a, b, c, &d, e, f, g, &h, constants[k] &+ w0)
            round(h, a, b, &c, d, e, f, &g, constants[k &+ 1] &+ w1)
            round(g, h, a, &b, c, d, e, &f, constants[k &+ 2] &+ w2)
            round(f, g, h, &a, b, c, d, &e, constants[k &+ 3] &+ w3)
            round(e, f, g, &h, a, b, c, &d, constants[k &+ 4] &+ w4)
            round(d, e, f, &g, h, a, b, &c, constants[k &+ 5] &+ w5)
            round(c, d, e, &f, g, h, a, &b, constants[k &+ 6] &+ w6)
            round(b, c, d, &e, f, g, h, &a, constants[k &+ 7] &+ w7)
            round(a, b, c, &d, e, f, g, &h, constants[k &+ 8] &+ w8)
            round(h, a, b, &c, d, e, f, &g, constants[k &+ 9] &+ w9)
            round(g, h, a, &b, c, d, e, &f, constants[k &+ 10] &+ w10)
            round(f, g, h, &a, b, c, d, &e, constants[k &+ 11] &+ w11)
            round(e, f, g, &h, a, b, c, &d, constants[k &+ 12] &+ w12)
            round(d, e, f, &g, h, a, b, &c, constants[k &+ 13] &+ w13)
            round(c, d, e, &f, g, h, a, &b, constants[k &+ 14] &+ w14)
            round(b, c, d, &e, f, g, h, &a, constants[k &+ 15] &+ w15)
            if pass == 3 { break }

            // W[t] = σ₁(W[t−2]) + W[t−7] + σ₀(W[t−15]) + W[t−16], for sixteen words in place.
            w0 = w0 &+ sigma1(w14) &+ w9 &+ sigma0(w1)
            w1 = w1 &+ sigma1(w15) &+ w10 &+ sigma0(w2)
            w2 = w2 &+ sigma1(w0) &+ w11 &+ sigma0(w3)
            w3 = w3 &+ sigma1(w1) &+ w12 &+ sigma0(w4)
            w4 = w4 &+ sigma1(w2) &+ w13 &+ sigma0(w5)
            w5 = w5 &+ sigma1(w3) &+ w14 &+ sigma0(w6)
            w6 = w6 &+ sigma1(w4) &+ w15 &+ sigma0(w7)
            w7 = w7 &+ sigma1(w5) &+ w0 &+ sigma0(w8)
            w8 = w8 &+ sigma1(w6) &+ w1 &+ sigma0(w9)
            w9 = w9 &+ sigma1(w7) &+ w2 &+ sigma0(w10)
            w10 = w10 &+ sigma1(w8) &+ w3 &+ sigma0(w11)
            w11 = w11 &+ sigma1(w9) &+ w4 &+ sigma0(w12)
            w12 = w12 &+ sigma1(w10) &+ w5 &+ sigma0(w13)
            w13 = w13 &+ sigma1(w11) &+ w6 &+ sigma0(w14)
            w14 = w14 &+ sigma1(w12) &+ w7 &+ sigma0(w15)
            w15 = w15 &+ sigma1(w13) &+ w8 &+ sigma0(w0)
        }
        state = state &+ SIMD8(a, b, c, d, e, f, g, h)
        block &+= 64
    }
    return state
}

/// One round; the caller renames the eight variables instead of moving them.
@inline(__always)
private func round(
    _ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: inout UInt32,
    _ e: UInt32, _ f: UInt32, _ g: UInt32, _ h: inout UInt32, _ input: UInt32
) {
    let sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
    let sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
    let choice = (e & (f ^ g)) ^ g
    let majority = (a & b) | (c & (a | b))
    h = h &+ sum1 &+ choice &+ input
    d = d &+ h
    h = h &+ sum0 &+ majority
}

@inline(__always)
private func rotate(_ x: UInt32, _ count: UInt32) -> UInt32 { (x &>> count) | (x &<< (32 &- count)) }

@inline(__always)
private func sigma0(_ x: UInt32) -> UInt32 { rotate(x, 7) ^ rotate(x, 18) ^ (x &>> 3) }

@inline(__always)
private func sigma1(_ x: UInt32) -> UInt32 { rotate(x, 17) ^ rotate(x, 19) ^ (x &>> 10) }

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
private let sha256Constants: [UInt32] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
]

extension SHA256 {
    /// The constants of FIPS 180-4 §4.2.2.
    package static var roundConstants: [UInt32] { sha256Constants }
}
