// SPDX-License-Identifier: Apache-2.0
// Memory idles while threads wait for one another. A waiting thread that knows what it will read next may as well ask
// for it: the first lines then come from its second cache, and the step begins at full speed.

import CPlatform

/// Memory that one thread will read soon, asked for bit by bit.
struct PrefetchRange {
    private var next: UnsafeRawPointer?
    private var byteCount: Int

    /// - Parameter bytes: need not be readable: asking is a hint, which faults nowhere.
    init(_ bytes: UnsafeRawBufferPointer) { (next, byteCount) = (bytes.baseAddress, bytes.count) }

    /// Asks for the next few cache lines, so few that whoever calls this in a loop notices at once what it waits for.
    /// - Returns: false where all has been asked for.
    mutating func step() -> Bool {
        guard byteCount > 0, let start = next else { return false }
        for line in 0..<4 { platform_prefetch_later(start + line * 64) }
        next = start + 256
        byteCount -= 256
        return true
    }
}
