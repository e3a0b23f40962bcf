// SPDX-License-Identifier: Apache-2.0
// The compiler's own vector intrinsics, and functions for those that are macros there (Swift imports no macros).
#pragma once
#define TILLER_INTRINSIC static inline __attribute__((always_inline))

#if defined(__x86_64__)
#include <immintrin.h>

/// Asks for the cache line of an address, which need not exist.
TILLER_INTRINSIC void tiller_prefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }
/// The same, into the second cache.
TILLER_INTRINSIC void tiller_prefetch_later(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T1); }
/// The same number, unknown to the compiler.
TILLER_INTRINSIC long tiller_hidden(long x) {
    __asm__("" : "+r"(x));
    return x;
}

#if defined(__AVX2__) && defined(__F16C__)
/// The upper four lanes.
TILLER_INTRINSIC __m128 tiller_high_ps(__m256 x) { return _mm256_extractf128_ps(x, 1); }
/// The upper half of the bytes.
TILLER_INTRINSIC __m128i tiller_high_si256(__m256i x) { return _mm256_extracti128_si256(x, 1); }
/// Rounded to the nearest binary16, ties to even.
TILLER_INTRINSIC __m128i tiller_halves_ps(__m256 x) { return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }
/// x, but 0 in the lanes where y is below the limit.
TILLER_INTRINSIC __m256 tiller_zero_below_ps(__m256 x, __m256 y, __m256 limit) {
    return _mm256_and_ps(x, _mm256_cmp_ps(y, limit, _CMP_NLT_UQ));
}
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__)
/// The upper eight lanes.
TILLER_INTRINSIC __m256 tiller_high512_ps(__m512 x) { return _mm512_extractf32x8_ps(x, 1); }
/// Rounded to the nearest binary16, ties to even.
TILLER_INTRINSIC __m256i tiller_halves512_ps(__m512 x) { return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }
/// x, but 0 in the lanes where y is below the limit.
TILLER_INTRINSIC __m512 tiller_zero_below512_ps(__m512 x, __m512 y, __m512 limit) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, limit, _CMP_NLT_UQ), x);
}
#endif

#elif defined(__aarch64__)
#include <arm_neon.h>
#include <stdint.h>

/// Asks for the cache line of an address, which need not exist.
TILLER_INTRINSIC void tiller_prefetch(const void *p) { __builtin_prefetch(p); }

TILLER_INTRINSIC float32x4_t tiller_load_f32(const float *p) { return vld1q_f32(p); }
TILLER_INTRINSIC void tiller_store_f32(float *p, float32x4_t x) { vst1q_f32(p, x); }
/// The first `count` lanes from memory (none if it is negative, four if it is larger), the others from `x`.
TILLER_INTRINSIC float32x4_t tiller_load_some_f32(const float *p, long count, float32x4_t x) {
    if (count >= 4) return vld1q_f32(p);
    if (count >= 1) x = vld1q_lane_f32(p, x, 0);
    if (count >= 2) x = vld1q_lane_f32(p + 1, x, 1);
    if (count >= 3) x = vld1q_lane_f32(p + 2, x, 2);
    return x;
}
/// Writes the first `count` lanes (none if it is negative, four if it is larger).
TILLER_INTRINSIC void tiller_store_some_f32(float *p, long count, float32x4_t x) {
    if (count >= 4) {
        vst1q_f32(p, x);
        return;
    }
    if (count >= 1) vst1q_lane_f32(p, x, 0);
    if (count >= 2) vst1q_lane_f32(p + 1, x, 1);
    if (count >= 3) vst1q_lane_f32(p + 2, x, 2);
}
TILLER_INTRINSIC int8x16_t tiller_load_s8(const void *p) { return vld1q_s8((const int8_t *)p); }
/// Eight bytes from each of two places.
TILLER_INTRINSIC int8x16_t tiller_load_two_s8(const void *p, const void *q) {
    return vcombine_s8(vld1_s8((const int8_t *)p), vld1_s8((const int8_t *)q));
}
TILLER_INTRINSIC uint8x16_t tiller_load_u8(const void *p) { return vld1q_u8((const uint8_t *)p); }
TILLER_INTRINSIC void tiller_store_u8(void *p, uint8x16_t x) { vst1q_u8((uint8_t *)p, x); }
/// Four binary16 values.
TILLER_INTRINSIC float32x4_t tiller_load_f16(const void *p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)p)));
}
/// Rounded to the nearest binary16, ties to even.
TILLER_INTRINSIC void tiller_store_f16(void *p, float32x4_t x) {
    vst1_u16((uint16_t *)p, vreinterpret_u16_f16(vcvt_f16_f32(x)));
}
/// Four bfloat16 values.
TILLER_INTRINSIC float32x4_t tiller_load_bf16(const void *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t *)p), 16));
}
/// Lane 0.
TILLER_INTRINSIC float tiller_first_f32(float32x4_t x) { return vgetq_lane_f32(x, 0); }
/// x · 2ⁿ for the integer n in the lowest bits of the bit pattern of `biased`.
TILLER_INTRINSIC float32x4_t tiller_scale_f32(float32x4_t x, float32x4_t biased) {
    int32x4_t exponent = vshlq_n_s32(vreinterpretq_s32_f32(biased), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), exponent));
}
/// The upper nibbles of all bytes.
TILLER_INTRINSIC int8x16_t tiller_high_nibbles(uint8x16_t x) { return vreinterpretq_s8_u8(vshrq_n_u8(x, 4)); }
#endif
