// SPDX-License-Identifier: Apache-2.0
// Time for measurements.

import Glibc

/// A clock that never goes backwards; its zero is arbitrary.
package enum MonotonicClock {
    /// Seconds since a fixed but arbitrary moment.
    package static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
