// SPDX-License-Identifier: Apache-2.0
// Every kernel over seeded input, its output as one number: all instruction sets of all processors must give the same.
// Written without arrays, strings and Foundation, so that Embedded Swift compiles it for processors for which this
// machine has no standard library (tools/check/arm).

import KernelCore

/// The outputs of one instruction set's kernels.
package struct KernelVectors {
    let kernels: KernelTable

    package init(_ kernels: KernelTable) { self.kernels = kernels }

    /// Runs every kernel and reports the hash of all that it wrote.
    package func run(_ report: (StaticString, UInt64) -> Void) {
        report("multiplyFloat32", floats(kernels.multiplyFloat32, .float32))
        report("multiplyFloat16", floats(kernels.multiplyFloat16, .float16))
        report("multiplyInt8", integers(kernels.multiplyInt8, .int8))
        report("multiplyInt5", integers(kernels.multiplyInt5, .int5))
        report("multiplyInt4", integers(kernels.multiplyInt4, .int4))
        report("multiplyInt3", integers(kernels.multiplyInt3, .int3))
        report("multiplyKeys", integers(kernels.multiplyKeys, .keys))
        report("multiplyValues", integers(kernels.multiplyValues, .values))
        report("quantize", quantize())
        report("quantizeScores", quantizeScores())
        report("normalize", normalize())
        report("dot", dot())
        report(
            "add",
            rows { x, y, output, n in
                copy(x, to: output, n)
                kernels.add(y, output, n)
            })
        report(
            "addScaled",
            rows { x, y, output, n in
                copy(x, to: output, n)
                kernels.addScaled(y, -0.37, output, n)
            })
        report("scale", rows { x, _, output, n in kernels.scale(x, 1.7, output, n) })
        report("gateSilu", rows { x, y, output, n in kernels.gateSilu(x, y, output, n) })
        report("gateGeluTanh", rows { x, y, output, n in kernels.gateGeluTanh(x, y, output, n) })
        report("rotate", rotate())
        report("largest", rows { x, _, output, n in output[0] = kernels.largest(x, n) })
        report(
            "sumExponentials",
            rows { x, y, output, n in
                output[0] = kernels.sumExponentials(x, y[0], n)
            })
        report("storeHalves", storeHalves())
        report("addKeyBias", addKeyBias())
        report("softmax", softmax())
        report("mergeSoftmax", mergeSoftmax())
        report(
            "softcap",
            rows { x, y, output, n in
                copy(x, to: output, n)
                kernels.softcap(output, 50, n)
                copy(y, to: output, n / 2)
                kernels.softcap(output, 0.75, n)
            })
    }
}
