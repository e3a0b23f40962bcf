// SPDX-License-Identifier: Apache-2.0
// Which kernels run here. Older processors are emulated, after `swift build -c release --build-tests`, by
//   TILLER_EXPECTED_KERNELS="portable" qemu-x86_64 -cpu Nehalem .build/release/tillerPackageTests.xctest \
//     --testing-library swift-testing --filter KernelsTests
// and with `-cpu Haswell` and "portable avx2".

import Glibc
import Kernels
import Platform
import Testing

@Test func kernelSetsAreWhatTheProcessorOffers() throws {
    var expected = ["portable"]
    #if arch(arm64)
    expected.append("neon")
    #endif
    if CPUFeatures.current.hasAVX2FMA { expected.append("avx2") }
    if CPUFeatures.current.hasAVX512VNNI { expected.append("avx512") }
    if CPUFeatures.current.hasDotProduct { expected.append("neon-dotprod") }
    if CPUFeatures.current.hasMatrixProduct { expected.append("neon-i8mm") }
    #expect(KernelSet.available.map(\.name) == expected)
    #expect(KernelSet.best.name == expected.last)
    #expect(KernelSet.allNames.filter(expected.contains) == expected)
    for name in expected { #expect(try KernelSet.named(name).name == name) }
    // An emulator that names its processor must offer exactly that processor's kernels.
    switch getenv("TILLER_EXPECTED_KERNELS").map({ String(cString: $0) }) {
    case .some(let names): #expect(names == expected.joined(separator: " "))
    case nil: break
    }
}

@Test func kernelsThatDoNotRunHereAreRefusedWithAList() {
    for name in ["avx512", "neon", ""] where !KernelSet.available.contains(where: { $0.name == name }) {
        #expect {
            try KernelSet.named(name)
        } throws: { error in
            "\(error)".contains("“\(name)”") && "\(error)".contains("available here: portable")
        }
    }
}
