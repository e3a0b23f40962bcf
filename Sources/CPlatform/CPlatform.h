// SPDX-License-Identifier: Apache-2.0
// System calls and CPU queries that Swift's Glibc module does not offer.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

/// Tells the core that this is a spin loop: the other hardware thread gets the execution units.
static inline void platform_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/// Makes the calling thread's stack 1 MB larger; of these pages only the last becomes resident.
__attribute__((noinline)) static void platform_grow_stack(void) {
    char depth[1 << 20];
    __asm__ volatile("" : : "r"(depth) : "memory");
    *(volatile char *)depth = 0;
}

/// Asks for the cache line of an address, which need not exist, into the second cache.
static inline void platform_prefetch_later(const void *p) { __builtin_prefetch(p, 0, 2); }

/// Sleeps while `*word == expected`; returns on a wake, on a signal, or at once if they differ.
static inline void platform_futex_wait(void *word, uint32_t expected) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, (void *)0, (void *)0, 0);
}

/// Wakes every thread of this process that sleeps on `word`.
static inline void platform_futex_wake_all(void *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, (void *)0, (void *)0, 0);
}

/// Fills `mask` with the CPUs that this thread may run on; returns the bytes written, or -1 with errno.
static inline long platform_affinity(void *mask, unsigned long byte_count) {
    return syscall(SYS_sched_getaffinity, 0, byte_count, mask);
}

/// Opens a new file without a name in a folder, for reading and writing; -1 with errno.
static inline int platform_open_nameless(const char *folder, unsigned mode) {
#ifdef O_TMPFILE
    return open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
#else
    return open(folder, 020000000 | O_DIRECTORY | O_RDWR | O_CLOEXEC, mode);
#endif
}

/// rename(2) that fails with EEXIST instead of replacing a file.
static inline long platform_rename_exclusive(const char *from, const char *to) {
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 1 /* RENAME_NOREPLACE */);
}

/// Gives an open file the name `passing`, and at once `to`, replacing what is there; 0, or an error's number.
///
/// - from: the file in /proc/self/fd.
static inline int platform_link_and_rename(const char *from, const char *passing, const char *to) {
    if (linkat(AT_FDCWD, from, AT_FDCWD, passing, AT_SYMLINK_FOLLOW) != 0) return errno;
    if (rename(passing, to) == 0) return 0;
    const int error = errno;
    unlink(passing);
    return error;
}

/// The same in a second process, which lives on for these two calls where this one is killed between them: nothing stays under
/// the passing name. It shares this one's memory and calls nothing but the system.
__attribute__((noinline)) static int platform_link_over(const char *from, const char *passing, const char *to) {
    volatile int error = ECHILD;
    const pid_t child = vfork();
    if (child == 0) {
        error = platform_link_and_rename(from, passing, to);
        _exit(0);
    }
    if (child < 0) return platform_link_and_rename(from, passing, to);
    while (waitpid(child, 0, 0) < 0 && errno == EINTR) {}
    return error;
}

/// The address whose access caused a signal of the system, such as SIGBUS.
static inline const void *platform_fault_address(const siginfo_t *info) { return info->si_addr; }

/// Whether memory is mapped in pages of the smaller size: 1 or 0, or -1 with errno. ioctl PAGEMAP_SCAN of linux/fs.h, whose
/// structure is `pm_scan_arg`.
///
/// - pagemap: /proc/self/pagemap, open for reading.
static inline int platform_has_small_pages(int pagemap, const void *start, unsigned long byte_count) {
    const uint64_t present = 1 << 3, huge = 1 << 6;
    uint64_t region[3];
    const struct {
        uint64_t size, flags, start, end, walk_end, regions, region_count, maximum_pages;
        uint64_t inverted, all_of, any_of, returned;
    } scan = {
        .size = sizeof scan, .start = (uintptr_t)start, .end = (uintptr_t)start + byte_count,
        .regions = (uintptr_t)region, .region_count = 1,
        .inverted = huge, .all_of = present | huge, .returned = present,
    };
    return ioctl(pagemap, _IOC(_IOC_READ | _IOC_WRITE, 'f', 16, sizeof scan), &scan);
}

/// The program's arguments as the system laid them out at its start: their count, they themselves, NULL, the environment (System V ABI,
/// "Initial Process Stack"). Only as long as nobody has changed the environment's own vector.
static inline char **platform_initial_arguments(long *count) {
    char **end = __environ - 1;
    // No pointer is as small as a count.
    for (*count = 0; *count < 1 << 22; ++*count)
        if (*(long *)(end - 1 - *count) == *count) return end - *count;
    *count = 0;
    return end;
}

/// The name that this program was started with, as the system resolved it; NULL where it does not say.
static inline const char *platform_executed_path(void) { return (const char *)getauxval(AT_EXECFN); }

typedef struct {
    uint32_t eax, ebx, ecx, edx;
} platform_cpuid_registers;

/// CPUID `leaf`/`subleaf`; all zero where the leaf, or the instruction, does not exist.
static inline platform_cpuid_registers platform_cpuid(uint32_t leaf, uint32_t subleaf) {
    platform_cpuid_registers r = {0, 0, 0, 0};
#if defined(__x86_64__)
    __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
#endif
    return r;
}

/// XCR0: the register states that the system saves. Only valid when CPUID reports OSXSAVE.
static inline uint64_t platform_xcr0(void) {
#if defined(__x86_64__)
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
#else
    return 0;
#endif
}

typedef struct {
    uint32_t first, second;
} platform_capability_words;

/// What the system says about a 64-bit ARM processor (AT_HWCAP, AT_HWCAP2); zero elsewhere.
static inline platform_capability_words platform_hardware_capabilities(void) {
    platform_capability_words words = {0, 0};
#if defined(__aarch64__)
    words.first = (uint32_t)getauxval(AT_HWCAP);
    words.second = (uint32_t)getauxval(AT_HWCAP2);
#endif
    return words;
}

#if defined(__x86_64__)
/// Folds 64-byte blocks into a SHA-256 state a, b, … h with the processor's own rounds (Intel SDM vol. 2B, SHA256RNDS2);
/// `constants` are the 64 of FIPS 180-4. Only where CPUID reports SHA, SSSE3 and SSE4.1.
__attribute__((target("sha,ssse3,sse4.1"))) static inline void platform_sha256_blocks(
    uint32_t *state, const uint32_t *constants, const uint8_t *blocks, unsigned long count) {
    const __m128i bigEndian = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    // The instructions want the words as (f, e, b, a) and (h, g, d, c), from the lowest on.
    __m128i abef = _mm_set_epi32(
        (int)state[0], (int)state[1], (int)state[4], (int)state[5]);
    __m128i cdgh = _mm_set_epi32(
        (int)state[2], (int)state[3], (int)state[6], (int)state[7]);
    for (; count > 0; count--, blocks += 64) {
        const __m128i abefBefore = abef, cdghBefore = cdgh;
        __m128i w[4];
        for (int i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(blocks + 16 * i)), bigEndian);
#pragma clang loop unroll(full)
        for (int i = 0; i < 16; i++) {
            __m128i sum = _mm_add_epi32(w[i & 3], _mm_loadu_si128((const __m128i *)(constants + 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
            if (i < 12) {
                // W[t] = s0(W[t-15]) + W[t-16], then + W[t-7], then + s1(W[t-2]), four words at once.
                __m128i next = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
                next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
                w[i & 3] = _mm_sha256msg2_epu32(next, w[(i + 3) & 3]);
            }
        }
        abef = _mm_add_epi32(abef, abefBefore);
        cdgh = _mm_add_epi32(cdgh, cdghBefore);
    }
    uint32_t low[4], high[4];
    _mm_storeu_si128((__m128i *)low, abef);
    _mm_storeu_si128((__m128i *)high, cdgh);
    state[0] = low[3], state[1] = low[2], state[4] = low[1], state[5] = low[0];
    state[2] = high[3], state[3] = high[2], state[6] = high[1], state[7] = high[0];
}
#endif

/// Entries of the section `tiller_families`: each family of models puts itself there, and the linker makes one list of all.
typedef void (*platform_family_entry)(void *families);
extern const platform_family_entry __start_tiller_families[] __attribute__((weak));
extern const platform_family_entry __stop_tiller_families[] __attribute__((weak));
static inline const platform_family_entry *platform_first_family(void) { return __start_tiller_families; }
static inline const platform_family_entry *platform_families_end(void) { return __stop_tiller_families; }
