// SPDX-License-Identifier: Apache-2.0
// The kernels that this machine can run. An instruction set counts only if the processor has it and the system
// saves its registers when it switches threads. Bits: Intel SDM vol. 2A, CPUID; vol. 1, 13.3 (XCR0). On ARM the system
// reports both at once: Linux's Documentation/arch/arm64/elf_hwcaps.rst.

import CPlatform

/// The instruction sets that matter to the kernels.
package struct CPUFeatures: Equatable, Sendable {
    /// AVX2, FMA and F16C.
    package let hasAVX2FMA: Bool
    /// AVX-512 F, BW, DQ and VL.
    package let hasAVX512: Bool
    /// AVX-512 VNNI, in addition.
    package let hasAVX512VNNI: Bool
    /// SHA-256 rounds, with SSSE3 and SSE4.1.
    package let hasSHA256: Bool
    /// 64-bit ARM's SDOT and UDOT (FEAT_DotProd).
    package let hasDotProduct: Bool
    /// 64-bit ARM's SMMLA (FEAT_I8MM).
    package let hasMatrixProduct: Bool

    /// The features of this processor and system.
    package static let current = CPUFeatures()

    private init() {
        let highestLeaf = platform_cpuid(0, 0).eax
        let basic = platform_cpuid(1, 0)
        let hasSavedState = basic.ecx.bit(27)  // OSXSAVE: XCR0 can be read
        self.init(
            basic: basic.ecx, extended: highestLeaf >= 7 ? platform_cpuid(7, 0) : .init(),
            savedState: hasSavedState ? platform_xcr0() : 0, arm: platform_hardware_capabilities())
    }

    /// Derives the features from the processor's registers.
    /// - Parameters:
    ///   - basic: ECX of CPUID leaf 1.
    ///   - extended: the registers of CPUID leaf 7, subleaf 0.
    ///   - savedState: XCR0, or 0 when it cannot be read.
    ///   - arm: both words of capabilities; 0 on other processors.
    private init(
        basic: UInt32, extended: platform_cpuid_registers, savedState: UInt64,
        arm: platform_capability_words
    ) {
        let savesYMM = savedState & 0b110 == 0b110  // XMM, upper halves of YMM
        let savesZMM = savedState & 0b1110_0110 == 0b1110_0110  // and opmask, upper ZMM, ZMM16-31
        hasAVX2FMA =
            savesYMM && basic.bit(28) && basic.bit(12) && basic.bit(29)  // AVX, FMA, F16C
            && extended.ebx.bit(5)  // AVX2
        hasAVX512 =
            hasAVX2FMA && savesZMM
            && [16, 17, 30, 31].allSatisfy { extended.ebx.bit($0) }  // F, DQ, BW, VL
        hasAVX512VNNI = hasAVX512 && extended.ecx.bit(11)  // VNNI
        hasSHA256 = extended.ebx.bit(29) && basic.bit(9) && basic.bit(19)
        hasDotProduct = arm.first.bit(20)  // HWCAP_ASIMDDP
        hasMatrixProduct = hasDotProduct && arm.second.bit(13)  // HWCAP2_I8MM
    }
}

extension UInt32 {
    fileprivate func bit(_ index: Int) -> Bool { self >> index & 1 == 1 }
}
