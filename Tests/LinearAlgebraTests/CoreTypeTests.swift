// SPDX-License-Identifier: Apache-2.0
// The kernels are chosen before OpenBLAS chooses them, and what the user chooses stays.

import Glibc
import LinearAlgebra
import Platform
import TestSupport
import Testing

struct CoreTypeTests {
    @Test func theKernelsAreThoseOfTheKindOfProcessor() throws {
        let asked = getenv(CoreType.variable).map { String(cString: $0) }
        let used = try LinearAlgebra.coreType()
        #expect(CoreType.canRun(used))
        if let wanted = asked ?? CoreType.common(), CoreType.canRun(wanted) {
            #expect(used.lowercased() == wanted.lowercased())
        }
        // Whatever this process starts finds the environment as it was.
        #expect(getenv(CoreType.variable).map { String(cString: $0) } == asked)
    }

    @Test(
        .enabled(if: getenv(CoreType.variable) == nil, "this is one of the other processes"),
        arguments: ["Prescott", "Nehalem", "Zen"].filter {
            CoreType.canRun($0) && CoreType.common() != "ARMV8"
        })
    func theUsersChoiceStays(core: String) {
        let child = ChildTests(
            filter: "LinearAlgebraTests", environment: [CoreType.variable: core])
        #expect(child.status == 0, "\(child.failures)")
        #expect(child.count > 10, "\(child.output.suffix(2000))")
    }

    /// Some builds of OpenBLAS fall back to kernels that the processor can run; what does not is refused.
    @Test(arguments: ["SkylakeX", "Cooperlake", "Haswell"].filter { !CoreType.canRun($0) })
    func kernelsThatTheProcessorCannotRunAreNotUsed(core: String) {
        let child = ChildTests(filter: "openBLASIsInstalled", environment: [CoreType.variable: core])
        #expect(child.count == 1)
        #expect(child.status == 0 || child.output.contains("\(core) kernels"), "\(child.output.suffix(2000))")
    }

    @Test func everyProcessorCanRunWhatIsChosenForIt() {
        #expect(CoreType.common().map { CoreType.canRun($0) } ?? true)
        let features = CPUFeatures.current
        for name in ["SkylakeX", "cooperlake"] { #expect(CoreType.canRun(name) == features.hasAVX512) }
        for name in ["Haswell", "ZEN"] { #expect(CoreType.canRun(name) == features.hasAVX2FMA) }
        #expect(CoreType.canRun("Prescott"))
    }
}
