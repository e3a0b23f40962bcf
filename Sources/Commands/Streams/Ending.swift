// SPDX-License-Identifier: Apache-2.0
// Reports a failed command: one line on standard error, and an exit code that tells the kind of failure.

import Glibc
import Platform
import Tiller

/// Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted; a signal that ends the program leaves 128 + its number.
package enum ExitStatus {
    package static let failure: Int32 = 1
    package static let usage: Int32 = 2
    package static let interrupted: Int32 = 130
}

/// Ends the program with an error.
package func endProgram(with error: any Error) -> Never {
    switch error {
    case TillerError.invalidOption(let text): fail(text, ExitStatus.usage)
    case is Interruption: fail("interrupted", ExitStatus.interrupted)
    default: fail("\(error)", ExitStatus.failure)
    }
}

/// Ends the program with one line on standard error.
package func fail(_ message: String, _ code: Int32) -> Never {
    writeError("tiller: \(message.printableLine)")
    exit(code)
}
