// SPDX-License-Identifier: Apache-2.0
// System calls and CPU queries that Swift's Glibc module does not offer.
#pragma once
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

/// Tells the core that this is a spin loop: the other hardware thread gets the execution units.
static inline void platform_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

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

/// rename(2) that fails with EEXIST instead of replacing a file.
static inline long platform_rename_exclusive(const char *from, const char *to) {
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 1 /* RENAME_NOREPLACE */);
}

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
