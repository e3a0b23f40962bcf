// SPDX-License-Identifier: Apache-2.0
// Disks fill up and programs die between any two writes. A file opened with a fault does so on purpose, so
// that a test can stop a writer at every byte and at every step, and check the remaining files.

import Glibc

/// A fault of a file opened for writing, and the moment at which it occurs.
package enum SimulatedFault: Sendable, Equatable {
    /// The disk is full after this many bytes: the write that crosses the limit stores its first part and
    /// throws, as does every later one. Everything else works, so the writer can clean up.
    case diskFull(afterByteCount: Int)
    /// The program dies after this many bytes: the write that crosses the limit stores its first part;
    /// then nothing happens to the file any more, not even a cleanup.
    case crash(afterByteCount: Int)
    /// The program dies before this operation, counted from 0. Each write, truncation, flush,
    /// replacement and flush of the folder is one operation.
    case crashBefore(operation: Int)
}

/// The progress of a file toward its fault.
struct FaultProgress {
    private let fault: SimulatedFault?
    private var writtenByteCount = 0
    private var operationCount = 0
    /// Whether the simulated program is dead.
    private(set) var hasCrashed = false

    init(_ fault: SimulatedFault?) { self.fault = fault }

    /// Counts one operation; returns the error number if the program is dead by then.
    mutating func beginOperation() -> Int32? {
        if fault == .crashBefore(operation: operationCount) { hasCrashed = true }
        operationCount += 1
        return hasCrashed ? EIO : nil
    }

    /// The number of the `byteCount` bytes that reach the file; if fewer, the write fails with the error number.
    mutating func admit(_ byteCount: Int) -> (byteCount: Int, code: Int32) {
        let admitted: Int
        let code: Int32
        switch fault {
        case .diskFull(let limit):
            (admitted, code) = (min(byteCount, max(limit - writtenByteCount, 0)), ENOSPC)
        case .crash(let limit):
            (admitted, code) = (min(byteCount, max(limit - writtenByteCount, 0)), EIO)
            if admitted < byteCount { hasCrashed = true }
        case .crashBefore, nil:
            (admitted, code) = (byteCount, 0)
        }
        writtenByteCount += admitted
        return (admitted, code)
    }
}
