// SPDX-License-Identifier: Apache-2.0
// Memory idles while threads wait for one another. A waiting thread that knows what it will read next prefetches
// it: the first lines then come from its second-level cache, and the step begins at full speed.

import CPlatform

/// Memory that one thread will read soon, prefetched in small steps.
struct PrefetchRange {
    private var next: UnsafeRawPointer?
    private var byteCount: Int

    /// - Parameter bytes: need not be readable: a prefetch is a hint and never faults.
    init(_ bytes: UnsafeRawBufferPointer) { (next, byteCount) = (bytes.baseAddress, bytes.count) }

    /// Prefetches the next few cache lines, few enough that a waiting loop notices the end of its wait at once.
    /// - Returns: false if everything has been prefetched.
    mutating func step() -> Bool {
        guard byteCount > 0, let start = next else { return false }
        for line in 0..<4 { platform_prefetch_later(start + line * 64) }
        next = start + 256
        byteCount -= 256
        return true
    }
}
