// SPDX-License-Identifier: Apache-2.0
// Memory that no system has is refused by an error that says how much was asked for.

import Platform
import Testing

@Suite struct AllocationTests {
    @Test(arguments: [1 << 58, 1 << 60, Int.max])
    func whatNobodyHasIsRefused(count: Int) {
        let error = #expect(throws: AllocationError.self) { try AlignedBuffer<Float>(count: count) }
        #expect((error?.byteCount ?? 0) >= 1 << 58)
        #expect(error?.description.hasPrefix("out of memory: the system refused ") == true)
        #expect(error?.description.contains("\n") == false)
    }

    @Test func roomIsAskedForAndNotTaken() throws {
        try SystemMemory.requireRoom(byteCount: 1 << 20)
        try SystemMemory.requireRoom(byteCount: 0)
        #expect(throws: AllocationError(byteCount: 1 << 60)) {
            try SystemMemory.requireRoom(byteCount: 1 << 60)
        }
    }

    @Test func buffersAreZeroedAndAligned() throws {
        let buffer = try AlignedBuffer<Float>(count: 1000)
        #expect(buffer.elements.allSatisfy { $0 == 0 } && UInt(bitPattern: buffer.baseAddress) % 64 == 0)
    }
}
