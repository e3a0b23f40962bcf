// The compiler's own vector intrinsics, nothing else.
#pragma once
#if defined(__x86_64__)
#include <immintrin.h>
#endif
