// SPDX-License-Identifier: Apache-2.0
// What an expert teaches does not hang on the order in which OpenBLAS adds: the tests of optima, directions and golden values,
// once more with the kernels of other processors. They are chosen when the library is opened, so each choice is a
// process of its own.

import Glibc
import LinearAlgebra
import TestSupport
import Testing

@Suite(.enabled(if: getenv(CoreType.variable) == nil, "this is one of the other processes"))
struct CoreTypeTests {
    /// From SSE3 to AVX-512.
    static let all = ["Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen", "SkylakeX", "Cooperlake"]

    static let runnable = all.filter { CoreType.canRun($0) }

    @Test(
        .enabled(if: CoreType.common() == "Haswell", "kernels of these names are those of x86-64"),
        arguments: runnable)
    func everyTestPassesWithTheKernelsOf(core: String) {
        let child = ChildTests(
            filter: "Alignment|QuasiNewton|Direction(?!sTests)|LogisticProbe|PrincipalComponents",
            skip: "CoreTypeTests|CommandTests",
            environment: [CoreType.variable: core])
        #expect(child.status == 0, "\(child.failures)")
        #expect(child.count > 40, "\(child.output.suffix(2000))")
    }
}
