// The compiler's own vector intrinsics, and functions for those few that are macros there (Swift imports no macros).
#pragma once
#if defined(__x86_64__)
#include <immintrin.h>

#define TILLER_INTRINSIC static inline __attribute__((always_inline))

/// Asks for the cache line of an address, which need not exist.
TILLER_INTRINSIC void tiller_prefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }

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
#endif
